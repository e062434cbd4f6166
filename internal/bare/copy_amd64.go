//go:build !race

package bare

// long is from how many bytes on the processor's own way to copy is the quickest
// when the bytes lie in another one's cache.
const long = 1024

// quick says that the processor is quick at it (ERMS).
var quick = features7()>>9&1 != 0 //nolint:gochecknoglobals // the processor does not change

// Copy copies src to the beginning of dst, as much as fits, and returns how much.
// The two do not overlap.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if n < long || !quick {
		return copy(dst, src)
	}
	move(&dst[0], &src[0], n)
	return n
}

// move copies n bytes, by the processor's string instruction.
//
//go:noescape
func move(dst, src *byte, n int)

func features7() (ebx uint32)
