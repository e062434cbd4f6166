package pipe

import (
	"context"
	"fmt"
	"io/fs"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/shoal-ipc/shoal/internal/codec"
	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// Send sends x as one message: a T of fixed layout as its bytes, as do []byte and
// string; a T with MarshalBinary (or AppendBinary) and UnmarshalBinary by these; any
// other T as CBOR, fields by name. It waits for room. It fails with
// io.ErrClosedPipe when the other end is closed or its process died, or after
// CloseWrite; ErrTooLarge; ctx.Err() (always if ctx is done, even if there is
// room); os.ErrDeadlineExceeded; a *shm.TypeError if a T cannot travel, or the
// error of x's own encoding; fs.ErrClosed, see Conn; or a *shm.CorruptError. Then
// the other end does not receive x. If the process dies inside, it receives x or
// not; a message longer than Spec.Buffer that was cut off is io.ErrUnexpectedEOF
// there.
func Send[T any](ctx context.Context, c *Conn, x T) error {
	k, err := codecFor[T](c, &c.sends)
	if err != nil {
		return err
	}
	if !k.Raw() {
		return sendEncoded(ctx, c, k, x)
	}
	m := c.end.Pin()
	if m == nil {
		return c.fail(fs.ErrClosed)
	}
	err = c.end.Send(ctx, &c.writes, uint8(k.Form()), k.View(&x))
	object.Unpin(m)
	runtime.KeepAlive(c) // and the object with it
	if err != nil {
		err = c.fail(err)
	}
	return err
}

// sendEncoded sends what has to be encoded first. It is apart because an encoder
// takes x to the heap.
func sendEncoded[T any](ctx context.Context, c *Conn, k *codec.Codec[T], x T) error {
	m := c.end.Pin()
	if m == nil {
		return c.fail(fs.ErrClosed)
	}
	defer object.Unpin(m)
	b := getBuffer()
	defer putBuffer(b)
	var err error
	if *b, err = k.Append(*b, x); err != nil {
		return fmt.Errorf("pipe: %w", err)
	}
	return c.fail(c.end.Send(ctx, &c.writes, uint8(k.Form()), *b))
}

// Recv waits for one message and takes it. It fails with io.EOF once the other end
// is closed, or its process died, and all is received; io.ErrUnexpectedEOF, once,
// for a message that was cut off by that, or whose beginning another process
// received that had this end before; ctx.Err() (always if ctx is done, even if
// there is a message); os.ErrDeadlineExceeded; a *shm.IncompatibleError if the
// message was sent as another kind of T (of another layout, or encoding); a
// *shm.TypeError; fs.ErrClosed, see Conn; or a *shm.CorruptError. Then nothing was
// taken, but for a message that cannot be decoded: that one is consumed, and is an
// error. If the process dies inside, the end is closed.
func Recv[T any](ctx context.Context, c *Conn) (T, error) {
	k, err := codecFor[T](c, &c.recalls)
	if err != nil {
		var none T
		return none, err
	}
	if k.Form() == codec.Fixed {
		return recvFixed(ctx, c, k)
	}
	return recvEncoded(ctx, c, k)
}

// recvFixed receives a T of fixed layout, which stays where it is declared.
func recvFixed[T any](ctx context.Context, c *Conn, k *codec.Codec[T]) (T, error) {
	var x T
	m := c.end.Pin()
	if m == nil {
		return x, c.fail(fs.ErrClosed)
	}
	if c.end.ReceiveHere(ctx, &c.reads, uint8(codec.Fixed), mem.BytesOf(&x)) {
		object.Unpin(m)
		c.normalize(k.Layout(), mem.BytesOf(&x))
		return x, nil
	}
	msg, err := c.end.Receive(ctx, &c.reads)
	if err != nil {
		return x, c.fail(err)
	}
	if int64(msg.Length) != k.Layout().Size || msg.Form != uint8(codec.Fixed) {
		err = c.refuse(msg, describe(k))
	} else {
		c.end.Copy(msg, mem.BytesOf(&x))
		c.end.Finish(msg)
		c.normalize(k.Layout(), mem.BytesOf(&x))
	}
	object.Unpin(m)
	runtime.KeepAlive(c)
	return x, err
}

// normalize makes the bools of a message bools, and keeps c until here.
func (c *Conn) normalize(l *mem.Layout, b []byte) {
	if l.HasBools() {
		l.Normalize(b)
	}
	runtime.KeepAlive(c) // and the object with it
}

func recvEncoded[T any](ctx context.Context, c *Conn, k *codec.Codec[T]) (T, error) {
	var x T
	m := c.end.Pin()
	if m == nil {
		return x, c.fail(fs.ErrClosed)
	}
	defer object.Unpin(m)
	msg, err := c.end.Receive(ctx, &c.reads)
	if err != nil {
		return x, c.fail(err)
	}
	if !fits(codec.Form(msg.Form), k.Form()) {
		return x, c.refuse(msg, describe(k))
	}
	if k.Form() == codec.Bytes {
		b := make([]byte, msg.Length)
		c.end.Copy(msg, b)
		c.end.Finish(msg)
		*mem.AsByteSlice(&x) = b
		return x, nil
	}
	b := getBuffer()
	defer putBuffer(b)
	if cap(*b) < msg.Length {
		*b = make([]byte, msg.Length)
	}
	*b = (*b)[:msg.Length]
	c.end.Copy(msg, *b)
	c.end.Finish(msg)
	if err := k.Decode(*b, &x); err != nil {
		return x, fmt.Errorf("pipe: %w", err)
	}
	return x, nil
}

// fits reports whether a message of form have can be received as want: bytes and
// strings are the same bytes.
func fits(have, want codec.Form) bool {
	raw := func(f codec.Form) bool { return f == codec.Bytes || f == codec.String }
	return have == want || raw(have) && raw(want)
}

// refuse leaves a message that is of another type to the next Recv.
func (c *Conn) refuse(msg duplex.Message, want string) error {
	c.end.Refuse()
	return &shm.IncompatibleError{
		Segment: c.Segment().Name(), Object: c.Name(), Field: "message",
		Have: formName(codec.Form(msg.Form), msg.Length), Want: want,
	}
}

func describe[T any](k *codec.Codec[T]) string {
	size := 0
	if l := k.Layout(); l != nil {
		size = int(l.Size)
	}
	return formName(k.Form(), size)
}

func formName(f codec.Form, size int) string {
	switch f {
	case codec.Fixed:
		return fmt.Sprintf("a fixed layout of %d bytes", size)
	case codec.Bytes, codec.String:
		return "bytes"
	case codec.Binary:
		return "binary"
	case codec.CBOR:
		return "cbor"
	}
	return fmt.Sprintf("form %d", f)
}

// kept is a codec that was made once.
type kept struct{ codec any }

// codecs are those that were ever asked for, by their types.
var codecs sync.Map //nolint:gochecknoglobals // a cache, without meaning

// codecFor returns the codec of T; recent is the one that c used last.
func codecFor[T any](c *Conn, recent *atomic.Pointer[kept]) (*codec.Codec[T], error) {
	if c.end == nil {
		return nil, duplex.ErrClosed
	}
	if k := recent.Load(); k != nil {
		if x, ok := k.codec.(*codec.Codec[T]); ok {
			return x, nil
		}
	}
	return findCodec[T](recent)
}

func findCodec[T any](recent *atomic.Pointer[kept]) (*codec.Codec[T], error) {
	t := reflect.TypeFor[T]()
	if found, ok := codecs.Load(t); ok {
		k := found.(*kept) //nolint:errcheck // nothing else is stored
		recent.Store(k)
		return k.codec.(*codec.Codec[T]), nil //nolint:errcheck // that of its type
	}
	x, err := codec.For[T]()
	if err != nil {
		return nil, handle.TypeErr(err)
	}
	codecs.LoadOrStore(t, &kept{x})
	return findCodec[T](recent)
}

// buffers are where messages are encoded, and copied to before they are decoded.
var buffers = sync.Pool{New: func() any { return new([]byte) }} //nolint:gochecknoglobals // a cache of memory, without meaning

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
