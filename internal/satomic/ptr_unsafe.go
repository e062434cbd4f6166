package satomic

import "unsafe"

// Ptr returns the address of w, for the kernel's futex calls only.
func Ptr(w *Uint32) *uint32 { return (*uint32)(unsafe.Pointer(w)) }
