package kv_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/kv"
)

// The rivals are a map of Go with a mutex, and sync.Map, which share nothing.

func benchmarkKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("client-%09d", i) // 16 bytes
	}
	return keys
}

func benchmarkMap(b *testing.B, keys []string) *kv.Map[string, [2]int64] {
	b.Helper()
	m, err := kv.Create[string, [2]int64](context.Background(), heap(b), "m", kv.Spec{Cap: len(keys) + 1, KeySize: 16})
	must(b, err)
	for _, key := range keys {
		must(b, m.Store(context.Background(), key, [2]int64{1, 2}))
	}
	return m
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		keys := benchmarkKeys(n)
		b.Run(fmt.Sprintf("map=shoal/entries=%d", n), func(b *testing.B) {
			m := benchmarkMap(b, keys)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := m.Load(keys[i*7919%n]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("map=sync/entries=%d", n), func(b *testing.B) {
			var m sync.Map
			for _, key := range keys {
				m.Store(key, [2]int64{1, 2})
			}
			for i := 0; b.Loop(); i++ {
				if _, ok := m.Load(keys[i*7919%n]); !ok {
					b.Fatal("it is not there")
				}
			}
		})
	}
}

func BenchmarkLoadOfNone(b *testing.B) {
	m := benchmarkMap(b, benchmarkKeys(1000))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = m.Load("nobody-knows-me!")
	}
}

func BenchmarkStore(b *testing.B) {
	keys := benchmarkKeys(1000)
	m := benchmarkMap(b, keys)
	ctx := context.Background()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := m.Store(ctx, keys[i*7919%1000], [2]int64{3, 4}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	keys := benchmarkKeys(1000)
	m := benchmarkMap(b, keys)
	ctx := context.Background()
	add := func(x *[2]int64, _ bool) error { x[0]++; return nil }
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := m.Update(ctx, keys[i*7919%1000], add); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReplace deletes a key and stores another one, in a map that is full but
// for one.
func BenchmarkReplace(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			keys := benchmarkKeys(n + 2)
			m := benchmarkMap(b, keys[:n])
			ctx := context.Background()
			b.ReportAllocs()
			for i := n; b.Loop(); i++ {
				if err := m.Store(ctx, keys[i%(n+2)], [2]int64{}); err != nil {
					b.Fatal(err)
				}
				if err := m.Delete(ctx, keys[(i+2)%(n+2)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAll(b *testing.B) {
	m := benchmarkMap(b, benchmarkKeys(1000))
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range m.All() {
			must(b, err)
		}
	}
}

func BenchmarkLoadEncoded(b *testing.B) {
	m, err := kv.Create[string, person](context.Background(), heap(b), "m", kv.Spec{})
	must(b, err)
	must(b, m.Store(context.Background(), "ada", person{Name: "ada"}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Load("ada"); err != nil {
			b.Fatal(err)
		}
	}
}
