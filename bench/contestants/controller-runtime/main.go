// The Shop operator on controller-runtime: the same requests as contestants/holdfast makes. bench/README.md has the contract.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const (
	fieldManager = client.FieldOwner("shop-operator")
	finalizer    = "bench.dev/cleanup"
)

// shops reconciles. Reads go to the cache.
type shops struct {
	client.Client
	progress *progress
}

func (r *shops) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	r.progress.begin()
	err := r.reconcile(ctx, request.NamespacedName)
	if err == nil {
		r.progress.done(request.String())
	}
	return ctrl.Result{}, err
}

func (r *shops) reconcile(ctx context.Context, key client.ObjectKey) error {
	shop := &Shop{}
	if err := r.Get(ctx, key, shop); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := shop.DeepCopy()
	locked := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if !shop.DeletionTimestamp.IsZero() {
		if !controllerutil.RemoveFinalizer(shop, finalizer) {
			return nil
		}
		return client.IgnoreNotFound(r.Patch(ctx, shop, locked, fieldManager))
	}
	if controllerutil.AddFinalizer(shop, finalizer) {
		if err := r.Patch(ctx, shop, locked, fieldManager); err != nil {
			return err
		}
	}
	if err := r.ensureCredentials(ctx, shop); err != nil {
		return err
	}
	service, liveService := desiredService(shop), &corev1.Service{}
	if err := r.ensure(ctx, shop, service, liveService, func() bool {
		return equality.Semantic.DeepDerivative(service.Spec, liveService.Spec)
	}); err != nil {
		return err
	}
	set, liveSet := desiredStatefulSet(shop), &appsv1.StatefulSet{}
	if err := r.ensure(ctx, shop, set, liveSet, func() bool {
		return equality.Semantic.DeepDerivative(set.Spec, liveSet.Spec)
	}); err != nil {
		return err
	}
	return r.writeStatus(ctx, shop)
}

// ensureCredentials creates the Secret and never writes it again: a stale cache cannot cost a password.
func (r *shops) ensureCredentials(ctx context.Context, shop *Shop) error {
	secret := &corev1.Secret{ObjectMeta: childMeta(shop, credentialsOf(shop))}
	err := r.Get(ctx, client.ObjectKeyFromObject(secret), &corev1.Secret{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	secret.StringData = map[string]string{"username": "app", "password": rand.Text()}
	if err := r.Create(ctx, secret, fieldManager); !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

// ensure applies what is desired unless the live object in the cache covers it.
func (r *shops) ensure(ctx context.Context, shop *Shop, desired, live client.Object, covered func() bool) error {
	err := r.Get(ctx, client.ObjectKeyFromObject(desired), live)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && metav1.IsControlledBy(live, shop) && covered() &&
		equality.Semantic.DeepDerivative(desired.GetLabels(), live.GetLabels()) {
		return nil
	}
	body, err := runtime.DefaultUnstructuredConverter.ToUnstructured(desired)
	if err != nil {
		return err
	}
	delete(body, "status")
	configuration := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: body})
	return r.Apply(ctx, configuration, fieldManager, client.ForceOwnership)
}

func (r *shops) writeStatus(ctx context.Context, shop *Shop) error {
	before := shop.DeepCopy()
	shop.Status.Phase = "Applied"
	shop.Status.ObservedGeneration = shop.Generation
	meta.SetStatusCondition(&shop.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Applied", Message: "children applied",
		ObservedGeneration: shop.Generation,
	})
	if equality.Semantic.DeepEqual(before.Status, shop.Status) {
		return nil
	}
	return r.Status().Patch(ctx, shop, client.MergeFrom(before), fieldManager)
}

// progress is what the driver asks for: keys that were reconciled without an error, and reconciles in all.
type progress struct {
	mutex      sync.Mutex
	keys       map[string]struct{}
	reconciles int
}

func (p *progress) begin() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.reconciles++
}

func (p *progress) done(key string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.keys[key] = struct{}{}
}

func (p *progress) ServeHTTP(response http.ResponseWriter, _ *http.Request) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	fmt.Fprintf(response, `{"keys":%d,"reconciles":%d}`, len(p.keys), p.reconciles)
}

func run() error {
	ctrl.SetLogger(logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, addShops} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Metrics:                metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress: "0",
	})
	if err != nil {
		return err
	}
	counts := &progress{keys: map[string]struct{}{}}
	if err := ctrl.NewControllerManagedBy(manager).
		For(&Shop{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&corev1.Secret{}).Owns(&corev1.Service{}).Owns(&appsv1.StatefulSet{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(&shops{Client: manager.GetClient(), progress: counts}); err != nil {
		return err
	}
	go func() { _ = http.ListenAndServe("127.0.0.1:"+os.Getenv("METRICS_PORT"), counts) }()
	return manager.Start(ctrl.SetupSignalHandler())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
