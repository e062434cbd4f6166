package pipe_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
)

// A closed end says that it is closed, as a net.Conn does: also if its deadlines had
// passed before.
func TestClosedBehindDeadline(t *testing.T) {
	a, b := create(t, anonymous(t), pipe.Spec{})
	want(t, "SetDeadline", a.SetDeadline(time.Unix(1, 0)), nil)
	want(t, "Close", a.Close(), nil)
	want(t, "SetDeadline", b.SetDeadline(time.Unix(1, 0)), nil)
	want(t, "Close", b.Close(), nil)
	for name, c := range map[string]*pipe.Conn{"a": a, "b": b, "a zero Conn": new(pipe.Conn)} {
		ctx := t.Context()
		_, read := c.Read(make([]byte, 1))
		_, write := c.Write([]byte("x"))
		_, recv := pipe.Recv[int](ctx, c)
		_, list := pipe.Recv[[]any](ctx, c)
		_, text := c.MarshalText()
		for call, err := range map[string]error{
			"Read": read, "Write": write, "Recv": recv, "Recv of a list": list, "MarshalText": text,
			"Send": pipe.Send(ctx, c, 1), "Send of a list": pipe.Send(ctx, c, []any{1}),
			"Poll": c.Poll(ctx), "CloseWrite": c.CloseWrite(), "SetDeadline": c.SetDeadline(time.Time{}),
			"SetReadDeadline": c.SetReadDeadline(time.Time{}), "SetWriteDeadline": c.SetWriteDeadline(time.Time{}),
		} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s of %s: %v, want net.ErrClosed", call, name, err)
			}
		}
	}
}
