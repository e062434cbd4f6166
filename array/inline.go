package array

import (
	_ "github.com/shoal-ipc/shoal/internal/satomic" // see below
)

// The compiler inlines into a generic method, when another package instantiates
// it, only functions that it has inlined in this package too; and here only
// functions of packages imported here. So what the methods come down to is
// imported, and everything is instantiated once.
var _ = instances

func instances() []any {
	return []any{
		(*Atomic[int32])(nil), (*Atomic[int64])(nil), (*Atomic[int])(nil), (*Atomic[float32])(nil),
		(*Atomic[uint32])(nil), (*Atomic[uint64])(nil), (*Atomic[uint])(nil), (*Atomic[float64])(nil),
		(*Array[byte])(nil), (*Array[int16])(nil), (*Array[int32])(nil), (*Array[int64])(nil), (*Array[int])(nil),
		(*Array[float32])(nil), (*Array[float64])(nil), (*Array[[3]byte])(nil), (*Array[[2]int])(nil),
	}
}
