//go:build !amd64 || race || shmcheck

package mem

import (
	"bytes"
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

func equalBytes(words []satomic.Uint64, b []byte) bool {
	if len(b) > len(words)*8 {
		return false
	}
	for i := 0; len(b) > 0; i++ {
		var w [8]byte
		binary.NativeEndian.PutUint64(w[:], words[i].Load())
		n := min(len(b), 8)
		if !bytes.Equal(w[:n], b[:n]) {
			return false
		}
		b = b[n:]
	}
	return true
}
