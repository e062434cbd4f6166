//go:build !amd64 || race || shmcheck

package mem

import (
	"encoding/binary"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

func copyOut(dst []byte, src []satomic.Uint64) {
	for i := range src {
		w := src[i].Load()
		if len(dst) < 8 {
			var tail [8]byte
			binary.NativeEndian.PutUint64(tail[:], w)
			copy(dst, tail[:])
			return
		}
		binary.NativeEndian.PutUint64(dst, w)
		dst = dst[8:]
	}
}

func copyIn(dst []satomic.Uint64, src []byte) {
	for i := range dst {
		if len(src) < 8 {
			var tail [8]byte
			if copy(tail[:], src) > 0 {
				dst[i].Store(binary.NativeEndian.Uint64(tail[:]))
			}
			return
		}
		dst[i].Store(binary.NativeEndian.Uint64(src))
		src = src[8:]
	}
}
