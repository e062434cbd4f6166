package pipe_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

// TestConn is the standard test of a net.Conn, on pipes of several sizes.
func TestConn(t *testing.T) {
	for _, size := range []struct {
		name string
		spec pipe.Spec
	}{{"default", pipe.Spec{}}, {"small", pipe.Spec{Buffer: 1000}}, {"least", pipe.Spec{Buffer: 1}}} {
		t.Run(size.name, func(t *testing.T) {
			segments(t, func(t *testing.T, seg *shm.Segment) {
				nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
					a, b, err := pipe.Create(t.Context(), seg, "p", size.spec)
					if err != nil {
						return nil, nil, nil, err
					}
					return a, b, func() {
						want(t, "Close", a.Close(), nil)
						want(t, "Close", b.Close(), nil)
						want(t, "Check", seg.Check(), nil)
						want(t, "Remove", seg.Remove(t.Context(), "p"), nil)
					}, nil
				})
			})
		})
	}
}
