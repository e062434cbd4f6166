package value

import (
	_ "github.com/shoal-ipc/shoal/internal/race"    // see below
	_ "github.com/shoal-ipc/shoal/internal/satomic" // see below
)

// The compiler inlines into a generic method, when another package instantiates
// it, only functions that it has inlined in this package too; and here only
// functions of packages imported here. So what the methods come down to is
// imported, and everything is instantiated once: without this, Add would be six
// calls and not one.
var _ = instances

func instances() []any {
	return []any{
		(*Atomic[int32])(nil), (*Atomic[int64])(nil), (*Atomic[int])(nil), (*Atomic[float32])(nil),
		(*Atomic[uint32])(nil), (*Atomic[uint64])(nil), (*Atomic[uint])(nil), (*Atomic[float64])(nil),
		And[int], Or[int], And[int32], Or[int32],
		(*Value[int])(nil),
	}
}
