package mem

import (
	"unsafe"

	"github.com/shoal-ipc/shoal/internal/bare"
)

// large is from which size on Assign copies as bare.Copy does.
const large = 1024

// Assign is *dst = *src, by the quickest way to copy between processes. T has no
// pointers, and the two do not overlap.
func Assign[T any](dst, src *T) {
	if unsafe.Sizeof(*dst) < large {
		*dst = *src
		return
	}
	bare.Copy(BytesOf(dst), BytesOf(src))
}
