package kv_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/kv"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
)

func TestMain(m *testing.M) {
	process.Main()
	os.Exit(m.Run())
}

// heap returns a segment on the Go heap, where the race detector sees everything.
func heap(t testing.TB) *shm.Segment {
	t.Helper()
	seg, err := object.Inside().Heap(shm.Spec{Size: 1 << 20, MaxSize: 64 << 20})
	must(t, err)
	s := seg.(*shm.Segment) //nolint:errcheck // the door's contract
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// peer returns another participant of the heap segment seg.
func peer(t testing.TB, seg *shm.Segment) *shm.Segment {
	t.Helper()
	p, err := object.Inside().HeapPeer(seg)
	must(t, err)
	s := p.(*shm.Segment) //nolint:errcheck // the door's contract
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: %v, want %v", what, err, target)
	}
}

func create[K comparable, V any](t testing.TB, seg *shm.Segment, spec kv.Spec) *kv.Map[K, V] {
	t.Helper()
	m, err := kv.Create[K, V](t.Context(), seg, "m", spec)
	must(t, err)
	return m
}

func open[K comparable, V any](t testing.TB, seg *shm.Segment) *kv.Map[K, V] {
	t.Helper()
	m, err := kv.Open[K, V](t.Context(), seg, "m")
	must(t, err)
	return m
}

// all returns what All yields, and fails the test if a key comes twice.
func all[K comparable, V any](t testing.TB, m *kv.Map[K, V]) map[K]V {
	t.Helper()
	list := map[K]V{}
	for e, err := range m.All() {
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := list[e.Key]; twice {
			t.Errorf("key %v comes twice", e.Key)
		}
		list[e.Key] = e.Value
	}
	return list
}

// done is a context that is done.
func done() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
