package contract

import (
	"net"
	"time"

	"github.com/shoal-ipc/shoal/pipe"
)

// Package pipe. A pipe has no Open, so its handles are in no table of things.
type con = *pipe.Conn

var (
	_ = []error{pipe.ErrTooLarge}
	_ = pipe.Spec{Buffer: int(0), MaxSize: int(0)}

	_ withSpec[pipe.Spec] = con(nil)
	_ net.Conn            = con(nil)

	_ func(ctxt, segm, string, pipe.Spec) (con, con, error) = pipe.Create
	_ func(ctxt, con, string) error                         = pipe.Send[string]
	_ func(ctxt, con) (string, error)                       = pipe.Recv[string]
	_ func(con, ctxt) error                                 = con.Poll
	_ func(con, []byte) (int, error)                        = con.Read
	_ func(con, []byte) (int, error)                        = con.Write
	_ func(con) error                                       = con.Close
	_ func(con) error                                       = con.CloseWrite
	_ func(con) net.Addr                                    = con.LocalAddr
	_ func(con) net.Addr                                    = con.RemoteAddr
	_ func(con, time.Time) error                            = con.SetDeadline
	_ func(con, time.Time) error                            = con.SetReadDeadline
	_ func(con, time.Time) error                            = con.SetWriteDeadline
)
