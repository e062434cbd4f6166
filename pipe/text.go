package pipe

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net"
	"time"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/handle"
	"github.com/shoal-ipc/shoal/internal/object"
)

// unmarshalWait bounds how long UnmarshalText waits.
const unmarshalWait = 10 * time.Second

// MarshalText returns a text that names this end for other processes, which take
// it over by UnmarshalText. It changes nothing: until then the end belongs to whom
// it belongs now. It fails with fs.ErrClosed if the end is closed.
func (c *Conn) MarshalText() ([]byte, error) {
	if c.end == nil || c.end.Over() {
		return nil, duplex.ErrClosed
	}
	text, err := c.base.MarshalText()
	if err != nil {
		return nil, err
	}
	return append(append(text, ':'), c.end.Which()...), nil
}

// UnmarshalText makes c the end that text, from MarshalText of any process, names,
// and the end this process's: whatever the process that had it is doing with it
// fails with fs.ErrClosed. It opens the segment once a process, and waits for that,
// and for the other process to be between two steps, at most ten seconds. It fails
// with fs.ErrClosed if the end is closed. Nobody may use c meanwhile. If the process
// dies inside, the end belongs to the other process as before, or is closed.
func (c *Conn) UnmarshalText(text []byte) error {
	i := bytes.LastIndexByte(text, ':')
	which := duplex.Number(string(text[i+1:]))
	if i < 0 || which < 0 {
		return fmt.Errorf("pipe: %q names no end of a pipe: %w", text, fs.ErrInvalid)
	}
	seg, name, err := handle.Unmarshal(text[:i])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmarshalWait)
	defer cancel()
	h, err := handle.Open(ctx, seg, object.Request{Name: name, Kind: duplex.Kind()})
	if err != nil {
		return err
	}
	if err := c.take(ctx, h, which); err != nil {
		return fmt.Errorf("pipe: take over an end of %q: %w", name, handle.Err(&h, err))
	}
	c.reads.Set(time.Time{}, nil) // those of what c was before
	c.writes.Set(time.Time{}, nil)
	return nil
}

// address is a net.Addr.
type address string

// Network returns "shoal".
func (a address) Network() string { return "shoal" }

// String returns the segment, the pipe and the end.
func (a address) String() string { return string(a) }

func (c *Conn) address(which func(*duplex.End) string) net.Addr {
	if c.end == nil {
		return address("")
	}
	return address(c.Segment().Name() + "#" + c.Name() + ":" + which(c.end))
}
