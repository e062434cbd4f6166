package kv

import (
	_ "github.com/shoal-ipc/shoal/internal/race"    // see below
	_ "github.com/shoal-ipc/shoal/internal/satomic" // see below
)

// The compiler inlines into a generic method, when another package instantiates
// it, only functions that it has inlined in this package too, so that everything is
// instantiated once: see package value.
var _ = instances

func instances() []any {
	return []any{(*Map[string, int])(nil), (*Map[int, int])(nil)}
}
