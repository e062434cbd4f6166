package queue

import "sync"

// buffers are where messages are encoded, and copied to before they are decoded:
// what lies in shared memory may change while it is looked at.
//
//nolint:gochecknoglobals // a cache of memory, without meaning
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// largestKept is how large a buffer may be to be used again.
const largestKept = 1 << 20

func getBuffer() *[]byte {
	b := buffers.Get().(*[]byte) //nolint:errcheck // nothing else is put there
	*b = (*b)[:0]
	return b
}

func putBuffer(b *[]byte) {
	if cap(*b) <= largestKept {
		buffers.Put(b)
	}
}
