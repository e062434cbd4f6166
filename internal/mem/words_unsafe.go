package mem

import (
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// BytesOf returns the bytes of *p, padding included.
func BytesOf[T any](p *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), unsafe.Sizeof(*p))
}

// AsByteSlice returns p as a *[]byte. T must be of kind slice, of bytes.
func AsByteSlice[T any](p *T) *[]byte { return (*[]byte)(unsafe.Pointer(p)) }

// AsString returns p as a *string. T must be of kind string.
func AsString[T any](p *T) *string { return (*string)(unsafe.Pointer(p)) }

// BytesOfString returns the bytes of s, which must not be written.
func BytesOfString(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// WordsOf returns how many 64-bit words size bytes take.
func WordsOf(size int64) int64 { return (size + 7) / 8 }

// CopyOut fills *dst from src, which other processes may write meanwhile: the
// caller then learns that from a version word and throws the copy away. It
// reads whole words and is ordered, as the atomics are, after what the caller
// loaded before and before what it loads next.
func CopyOut[T any](dst *T, src []satomic.Uint64) { copyOut(BytesOf(dst), src) }

// CopyIn stores *src in dst, word by word, while other processes may read it.
// It is ordered, as the atomics are, after what the caller stored before and
// before what it stores next.
func CopyIn[T any](dst []satomic.Uint64, src *T) { copyIn(dst, BytesOf(src)) }

// CopyBytesOut is CopyOut for bytes: it fills dst, or as much of it as src has.
func CopyBytesOut(dst []byte, src []satomic.Uint64) { copyOut(dst, src) }

// CopyBytesIn is CopyIn for bytes, of which dst holds all.
func CopyBytesIn(dst []satomic.Uint64, src []byte) { copyIn(dst, src) }

// EqualBytes reports whether words begins with b, read as CopyOut does.
func EqualBytes(words []satomic.Uint64, b []byte) bool { return equalBytes(words, b) }
