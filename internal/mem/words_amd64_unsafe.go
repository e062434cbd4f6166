//go:build amd64 && !race && !shmcheck

package mem

import (
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// On amd64 an ordinary copy is ordered as the contract of CopyIn and CopyOut
// says: loads stay in program order, stores stay in program order, a string
// move ends before the next store is seen, and the compiler moves no memory
// access across an atomic. An atomic store for each word (XCHG) would cost ten
// times as much. What a torn word could do is what a torn value could do: it is
// thrown away.

func copyOut(dst []byte, src []satomic.Uint64) {
	copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(src))), len(src)*8))
}

func copyIn(dst []satomic.Uint64, src []byte) {
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(dst))), len(dst)*8), src)
}

func equalBytes(words []satomic.Uint64, b []byte) bool {
	return len(b) <= len(words)*8 && string(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(b))) == string(b)
}
