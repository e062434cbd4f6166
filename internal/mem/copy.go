package mem

import "github.com/shoal-ipc/shoal/internal/bare"

// Large is from which size on Assign does better than an assignment.
const Large = 1024

// Assign is *dst = *src, by the quickest way to copy between processes. T has no
// pointers, and the two do not overlap.
func Assign[T any](dst, src *T) {
	bare.Copy(BytesOf(dst), BytesOf(src))
}
