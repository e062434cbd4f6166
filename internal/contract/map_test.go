package contract

import (
	"iter"

	"github.com/shoal-ipc/shoal/kv"
)

type store = kv.Map[int64, int64]

// Package kv.
var (
	_ withSpec[kv.Spec] = (*kv.Map[int64, int64])(nil)

	_ = kv.ErrNotFound
	_ = kv.Spec{Cap: int(0), KeySize: int(0), ValueSize: int(0)}
	_ = kv.Entry[string, int64]{Key: "", Value: int64(0)}

	_ func(ctxt, segm, string, kv.Spec) (*kv.Map[string, any], error)   = kv.Create[string, any]
	_ func(ctxt, segm, string) (*kv.Map[string, any], error)            = kv.Open[string, any]
	_ func(ctxt, segm, string, kv.Spec) (*kv.Map[string, any], error)   = kv.OpenOrCreate[string, any]
	_ func(*store, int64) (int64, error)                                = (*store).Load
	_ func(*store, ctxt, int64, int64) error                            = (*store).Store
	_ func(*store, ctxt, int64, int64) (int64, bool, error)             = (*store).LoadOrStore
	_ func(*store, ctxt, int64) (int64, error)                          = (*store).LoadAndDelete
	_ func(*store, ctxt, int64) error                                   = (*store).Delete
	_ func(*store, ctxt, int64, func(x *int64, found bool) error) error = (*store).Update
	_ func(*store, ctxt, int64, int64, int64) (bool, error)             = (*store).CompareAndSwap
	_ func(*store, ctxt, int64, int64) (bool, error)                    = (*store).CompareAndDelete
	_ func(*store) int                                                  = (*store).Len
	_ func(*store) int                                                  = (*store).Cap
	_ func(*store) iter.Seq2[kv.Entry[int64, int64], error]             = (*store).All
)

// storedMap makes a map that has the key 1, so that loads find it.
func storedMap(ctx ctxt, seg segm, name string) (*store, error) {
	m, err := kv.Create[int64, int64](ctx, seg, name, kv.Spec{Cap: 3})
	if err == nil {
		err = m.Store(ctx, 1, 7)
	}
	return m, err
}

func maps() []thing {
	return []thing{{
		kind: "map", zero: func() handle { return new(store) },
		create: as(storedMap), open: as(kv.Open[int64, int64]),
		orCreate: with(kv.OpenOrCreate[int64, int64], kv.Spec{}), another: as(kv.Open[int64, uint64]),
		spec: func(h handle) any { return of[*store](h).Spec() },
		calls: []call{
			{name: "Load", do: on(func(_ ctxt, m *store) error { return drop(m.Load(1)) })},
			{name: "All", do: on(func(_ ctxt, m *store) error { return last(m.All()) })},
			waiting("Store", on(func(ctx ctxt, m *store) error { return m.Store(ctx, 2, 1) })),
			waiting("LoadOrStore", on(func(ctx ctxt, m *store) error { _, _, err := m.LoadOrStore(ctx, 1, 2); return err })),
			waiting("LoadAndDelete", on(func(ctx ctxt, m *store) error { return drop(m.LoadAndDelete(ctx, 1)) })),
			waiting("Delete", on(func(ctx ctxt, m *store) error { return m.Delete(ctx, 1) })),
			waiting("Update", on(func(ctx ctxt, m *store) error {
				return m.Update(ctx, 1, func(*int64, bool) error { return nothing() })
			})),
			waiting("CompareAndSwap", on(func(ctx ctxt, m *store) error { return drop(m.CompareAndSwap(ctx, 1, 7, 8)) })),
			waiting("CompareAndDelete", on(func(ctx ctxt, m *store) error { return drop(m.CompareAndDelete(ctx, 1, 7)) })),
			asking("Len", get((*store).Len)),
			asking("Cap", get((*store).Cap)),
		},
	}}
}
