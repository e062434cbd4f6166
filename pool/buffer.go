package pool

import "sync"

// buffers hold messages on their way to a queue.
//
//nolint:gochecknoglobals // a cache of memory, without meaning
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// boxes are the emptied pointers that buffers come in.
//
//nolint:gochecknoglobals // a cache of memory, without meaning
var boxes = sync.Pool{New: func() any { return new([]byte) }}

const largestKept = 1 << 20

// getBuffer returns an empty buffer.
func getBuffer() []byte {
	p := buffers.Get().(*[]byte) //nolint:errcheck // nothing else is put there
	b := (*p)[:0]
	*p = nil
	boxes.Put(p)
	return b
}

// putBuffer lets b be used again.
func putBuffer(b []byte) {
	if cap(b) == 0 || cap(b) > largestKept {
		return
	}
	p := boxes.Get().(*[]byte) //nolint:errcheck // nothing else is put there
	*p = b
	buffers.Put(p)
}
