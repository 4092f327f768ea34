//! The Shop as an API, and what it consists of.
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::{CustomResource, Resource, ResourceExt};
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize)]
#[kube(group = "apps.bench.dev", version = "v1alpha1", kind = "Shop", namespaced)]
#[kube(status = "ShopStatus", schema = "disabled")]
pub struct ShopSpec {
    #[serde(default)]
    pub replicas: i32,
    #[serde(default)]
    pub image: String,
    #[serde(default)]
    pub config: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShopStatus {
    pub observed_generation: Option<i64>,
    pub phase: Option<String>,
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

pub fn credentials(shop: &Shop) -> Secret {
    let password = Alphanumeric.sample_string(&mut rand::rng(), 24);
    Secret {
        metadata: ObjectMeta {
            name: Some(credentials_of(shop)),
            namespace: shop.namespace(),
            labels: Some(labels_of(shop)),
            owner_references: shop.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        string_data: Some([("username".into(), "app".into()), ("password".into(), password)].into()),
        ..Secret::default()
    }
}

pub fn service(shop: &Shop) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(shop),
        "spec": {
            "clusterIP": "None",
            "selector": labels_of(shop),
            "ports": [{ "name": "db", "port": 5432 }],
        },
    })
}

pub fn stateful_set(shop: &Shop) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(shop),
        "spec": {
            "replicas": shop.spec.replicas,
            "serviceName": shop.name_any(),
            "selector": { "matchLabels": labels_of(shop) },
            "template": {
                "metadata": {
                    "labels": labels_of(shop),
                    "annotations": { "bench.dev/config-hash": config_hash(shop) },
                },
                "spec": {
                    "containers": [{
                        "name": "db",
                        "image": shop.spec.image,
                        "ports": [{ "name": "db", "containerPort": 5432 }],
                        "env": [variable(shop, "DB_USER", "username"), variable(shop, "DB_PASSWORD", "password")],
                    }],
                },
            },
        },
    })
}

pub fn credentials_of(shop: &Shop) -> String {
    format!("{}-credentials", shop.name_any())
}

fn metadata(shop: &Shop) -> Value {
    json!({
        "name": shop.name_any(),
        "namespace": shop.namespace(),
        "labels": labels_of(shop),
        "ownerReferences": shop.controller_owner_ref(&()).map(|owner| vec![owner]),
    })
}

fn labels_of(shop: &Shop) -> BTreeMap<String, String> {
    let label = |name: &str, value: String| (format!("app.kubernetes.io/{name}"), value);
    [label("name", "shop".into()), label("instance", shop.name_any())].into()
}

fn variable(shop: &Shop, name: &str, key: &str) -> Value {
    json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": credentials_of(shop), "key": key } } })
}

fn config_hash(shop: &Shop) -> String {
    let sum = Sha256::digest(json!(shop.spec.config).to_string());
    sum[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
