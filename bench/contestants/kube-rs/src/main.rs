//! The Shop operator on kube-rs: the same requests as contestants/holdfast makes. bench/README.md has the contract.
mod shop;

use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Secret, core::v1::Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, predicates, watcher};
use kube::{Api, Client, Error, Resource, ResourceExt};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use shop::{Shop, ShopStatus, credentials, credentials_of, service, stateful_set};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

const MANAGER: &str = "shop-operator";
const FINALIZER: &str = "bench.dev/cleanup";

struct World {
    client: Client,
    secrets: Store<Secret>,
    services: Store<Service>,
    stateful_sets: Store<StatefulSet>,
    children_known: OnceCell<()>,
    keys: Mutex<HashSet<String>>,
    reconciles: AtomicU64,
}

async fn reconcile(shop: Arc<Shop>, world: Arc<World>) -> Result<Action, Error> {
    world.reconciles.fetch_add(1, Relaxed);
    pass(&shop, &world).await?;
    world.keys.lock().unwrap().insert(shop.name_any());
    Ok(Action::await_change())
}

async fn pass(seen: &Shop, world: &World) -> Result<(), Error> {
    let (name, namespace) = (seen.name_any(), seen.namespace().unwrap_or_default());
    let shops: Api<Shop> = Api::namespaced(world.client.clone(), &namespace);
    let has_finalizer = seen.finalizers().iter().any(|one| one == FINALIZER);
    if seen.metadata.deletion_timestamp.is_some() {
        if has_finalizer {
            let others = seen.finalizers().iter().filter(|one| *one != FINALIZER).cloned().collect();
            write_finalizers(&shops, seen, others).await?;
        }
        return Ok(());
    }
    let marked;
    let shop = if has_finalizer {
        seen
    } else {
        marked = write_finalizers(&shops, seen, [seen.finalizers(), &[FINALIZER.into()]].concat()).await?;
        &marked
    };

    world.children_known.get_or_init(|| know_children(world)).await;
    let secret = ObjectRef::new(&credentials_of(shop)).within(&namespace);
    if world.secrets.get(&secret).is_none() {
        create_once(Api::namespaced(world.client.clone(), &namespace), &credentials(shop)).await?;
    }
    ensure(&world.client, &world.services, &name, &namespace, service(shop)).await?;
    ensure(&world.client, &world.stateful_sets, &name, &namespace, stateful_set(shop)).await?;
    write_status(&shops, shop).await
}

/// Until the caches know the children, each of them would be written. For one pass to await, the others await that one: of several that
/// await the same store, only the last is woken (its `DelayedInit` polls one oneshot channel, which keeps one waker).
async fn know_children(world: &World) {
    // They fail when the watches have ended, and the operator with them.
    let _ = tokio::join!(
        world.secrets.wait_until_ready(),
        world.services.wait_until_ready(),
        world.stateful_sets.wait_until_ready()
    );
}

/// Only if nobody else has written the Shop meanwhile.
async fn write_finalizers(shops: &Api<Shop>, shop: &Shop, finalizers: Vec<String>) -> Result<Shop, Error> {
    let metadata = json!({ "resourceVersion": shop.resource_version(), "finalizers": finalizers });
    shops.patch(&shop.name_any(), &manager(), &Patch::Merge(json!({ "metadata": metadata }))).await
}

/// A create, never an apply: a stale cache cannot cost a password.
async fn create_once(secrets: Api<Secret>, secret: &Secret) -> Result<(), Error> {
    let params = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
    match secrets.create(&params, secret).await {
        Err(Error::Api(status)) if status.is_already_exists() => Ok(()),
        answer => answer.map(|_| ()),
    }
}

/// Applies what is desired unless the live object in the cache covers it.
async fn ensure<K>(client: &Client, cache: &Store<K>, name: &str, namespace: &str, desired: Value) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + 'static,
{
    if let Some(live) = cache.get(&ObjectRef::new(name).within(namespace)) {
        let live = serde_json::to_value(&*live).map_err(Error::SerdeError)?;
        if covers(&desired, &live) {
            return Ok(());
        }
    }
    let objects: Api<K> = Api::namespaced(client.clone(), namespace);
    objects.patch(name, &manager().force(), &Patch::Apply(&desired)).await.map(|_| ())
}

/// Whether all that is desired is in the live object, which may hold more.
fn covers(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            desired.iter().all(|(key, value)| live.get(key).is_some_and(|live| covers(value, live)))
        }
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len() && desired.iter().zip(live).all(|(desired, live)| covers(desired, live))
        }
        _ => desired == live,
    }
}

async fn write_status(shops: &Api<Shop>, shop: &Shop) -> Result<(), Error> {
    let generation = shop.metadata.generation;
    let since = shop.status.iter().flat_map(|status| &status.conditions).next();
    let ready = Condition {
        type_: "Ready".into(),
        status: "True".into(),
        reason: "Applied".into(),
        message: "children applied".into(),
        observed_generation: generation,
        last_transition_time: since.map_or(Time(Timestamp::now()), |ready| ready.last_transition_time.clone()),
    };
    let status = ShopStatus { observed_generation: generation, phase: Some("Applied".into()), conditions: vec![ready] };
    if shop.status.as_ref() == Some(&status) {
        return Ok(());
    }
    let patch = Patch::Merge(json!({ "status": status }));
    shops.patch_status(&shop.name_any(), &manager(), &patch).await.map(|_| ())
}

fn manager() -> PatchParams {
    PatchParams::apply(MANAGER)
}

/// A cache of all objects of a kind, and the stream of changes that fills it.
fn watch<K>(client: Client) -> (Store<K>, impl Stream<Item = Result<K, watcher::Error>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let changes = watcher(Api::all(client), watcher::Config::default().streaming_lists())
        .default_backoff()
        .modify(|object: &mut K| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects();
    (store, changes)
}

/// What the driver asks for: keys that were reconciled without an error, and reconciles in all.
async fn serve_progress(world: Arc<World>) -> std::io::Result<()> {
    let port = std::env::var("METRICS_PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (mut socket, _) = listener.accept().await?;
        let _ = socket.read(&mut [0; 4096]).await;
        let keys = world.keys.lock().unwrap().len();
        let body = json!({ "keys": keys, "reconciles": world.reconciles.load(Relaxed) }).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let _ = socket.write_all((head + &body).as_bytes()).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let client = Client::try_default().await?;
    let (shops, shop_changes) = watch::<Shop>(client.clone());
    let (secrets, secret_changes) = watch(client.clone());
    let (services, service_changes) = watch(client.clone());
    let (stateful_sets, stateful_set_changes) = watch(client.clone());
    let world = Arc::new(World {
        client,
        secrets,
        services,
        stateful_sets,
        children_known: OnceCell::new(),
        keys: Mutex::default(),
        reconciles: AtomicU64::default(),
    });
    let told = world.clone();
    tokio::spawn(async { serve_progress(told).await.expect("METRICS_PORT must be a free port") });
    Controller::for_stream(shop_changes.predicate_filter(predicates::generation, Default::default()), shops)
        .owns_stream(secret_changes)
        .owns_stream(service_changes)
        .owns_stream(stateful_set_changes)
        .with_config(Config::default().concurrency(8))
        .shutdown_on_signal()
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_secs(1)), world)
        .for_each(|outcome| async {
            match outcome {
                // A child's event wakes a Shop that is gone.
                Ok(_) | Err(controller::Error::ObjectNotFound(_)) => {}
                Err(error) => eprintln!("{error}"),
            }
        })
        .await;
    Ok(())
}
