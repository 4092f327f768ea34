// What a Shop consists of.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const port = 5432

func desiredService(shop *Shop) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: childMeta(shop, shop.Name),
		Spec: corev1.ServiceSpec{
			ClusterIP: corev1.ClusterIPNone,
			Selector:  labelsOf(shop),
			// Left out, the default would differ from what is desired for ever.
			Ports: []corev1.ServicePort{{Name: "db", Port: port, TargetPort: intstr.FromInt32(port)}},
		},
	}
}

func desiredStatefulSet(shop *Shop) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"},
		ObjectMeta: childMeta(shop, shop.Name),
		Spec: appsv1.StatefulSetSpec{
			Replicas:    &shop.Spec.Replicas,
			ServiceName: shop.Name,
			Selector:    &metav1.LabelSelector{MatchLabels: labelsOf(shop)},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      labelsOf(shop),
					Annotations: map[string]string{"bench.dev/config-hash": configHash(shop)},
				},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name:  "db",
					Image: shop.Spec.Image,
					Ports: []corev1.ContainerPort{{Name: "db", ContainerPort: port}},
					Env:   []corev1.EnvVar{variable(shop, "DB_USER", "username"), variable(shop, "DB_PASSWORD", "password")},
				}}},
			},
		},
	}
}

func childMeta(shop *Shop, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:            name,
		Namespace:       shop.Namespace,
		Labels:          labelsOf(shop),
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(shop, groupVersion.WithKind("Shop"))},
	}
}

func credentialsOf(shop *Shop) string { return shop.Name + "-credentials" }

func labelsOf(shop *Shop) map[string]string {
	return map[string]string{"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": shop.Name}
}

func variable(shop *Shop, name, key string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: credentialsOf(shop)}, Key: key,
	}}}
}

func configHash(shop *Shop) string {
	config, _ := json.Marshal(shop.Spec.Config) // A map of strings: keys are sorted, and nothing can fail.
	sum := sha256.Sum256(config)
	return hex.EncodeToString(sum[:8])
}
