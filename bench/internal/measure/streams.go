package measure

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

// streamJobs are what Go's library has between processes: pipes and unix sockets,
// as they are and with buffers, with gob, and with net/rpc.
func streamJobs() map[string]Job {
	return map[string]Job{
		"go/stream":    bytesStream,
		"go/roundtrip": bytesTrip,
		"go/asleep":    bytesTrip,
		"go/gob":       gobStream,
		"go/rpc":       rpcTrip,
		"go/flock":     flockAlone,
	}
}

// link is a connection to the other side.
type link struct {
	io.Reader
	io.Writer
	io.Closer
}

// both closes two files.
type both [2]*os.File

func (b both) Close() error { return errors.Join(b[0].Close(), b[1].Close()) }

// connect returns the link to the other side, which it starts if this is side 0:
// by two pipes or by a unix socket, as the argument by says.
func (p *Place) connect() (*link, error) {
	if p.Args["by"] == "pipe" {
		return p.pipes()
	}
	path := filepath.Join(p.Dir, "socket")
	if p.Side > 0 {
		p.Ready()
		c, err := net.Dial("unix", path)
		return &link{c, c, c}, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := p.StartOthers(); err != nil {
		return nil, err
	}
	c, err := l.Accept()
	return &link{c, c, c}, err
}

func (p *Place) pipes() (*link, error) {
	if p.Side > 0 {
		in, out := os.NewFile(3, "in"), os.NewFile(4, "out")
		p.Ready()
		return &link{in, out, both{in, out}}, nil
	}
	hisIn, myOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	myIn, hisOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	if err := p.StartOthers(hisIn, hisOut); err != nil {
		return nil, err
	}
	return &link{myIn, myOut, both{myIn, myOut}}, errors.Join(hisIn.Close(), hisOut.Close())
}

// bytesStream has side 1 write messages as fast as it can until the link ends.
func bytesStream(_ context.Context, p *Place) (harness.Sample, error) {
	l, err := p.connect()
	if err != nil {
		return harness.Sample{}, err
	}
	msg := make([]byte, p.Int("size"))
	r, w := l.Reader, l.Writer
	if p.Args["buffered"] == "yes" {
		r, w = bufio.NewReaderSize(r, 64<<10), bufio.NewWriterSize(w, 64<<10)
	}
	if p.Side > 0 {
		for err == nil {
			_, err = w.Write(msg)
		}
		return harness.Sample{}, nil //nolint:nilerr // the reader has gone: it has seen enough
	}
	defer l.Close()
	return streamed(func() error {
		_, err := io.ReadFull(r, msg)
		return err
	})
}

// streamed counts how often next returns within the window.
func streamed(next func() error) (harness.Sample, error) {
	if err := next(); err != nil { // the other side runs
		return harness.Sample{}, err
	}
	allocated := allocations()
	n, start := 0, time.Now()
	for time.Since(start) < window {
		for range 16 {
			if err := next(); err != nil {
				return harness.Sample{}, err
			}
		}
		n += 16
	}
	s := rate(n, time.Since(start))
	s.Allocs = allocated(n)
	return s, nil
}

func bytesTrip(_ context.Context, p *Place) (harness.Sample, error) {
	l, err := p.connect()
	if err != nil {
		return harness.Sample{}, err
	}
	defer l.Close()
	msg, rounds := make([]byte, p.Int("size")), p.Int("rounds")
	if p.Side > 0 {
		trips := tripsOf(rounds)
		if p.name == "go/asleep" {
			trips = rounds
		}
		for range trips {
			if _, err := io.ReadFull(l, msg); err != nil {
				return harness.Sample{}, err
			}
			if _, err := l.Write(msg); err != nil {
				return harness.Sample{}, err
			}
		}
		return harness.Sample{}, nil
	}
	trip := func() error {
		if _, err := l.Write(msg); err != nil {
			return err
		}
		_, err := io.ReadFull(l, msg)
		return err
	}
	if p.name == "go/asleep" {
		return apart(rounds, p.gap(), trip)
	}
	return roundTrips(rounds, trip)
}

// Record is what gob and net/rpc encode.
type Record struct {
	ID   int64
	Text string
	Body []byte
}

func gobStream(_ context.Context, p *Place) (harness.Sample, error) {
	l, err := p.connect()
	if err != nil {
		return harness.Sample{}, err
	}
	r := Record{ID: 1, Body: make([]byte, p.Int("size"))}
	if p.Side > 0 {
		w := bufio.NewWriterSize(l, 64<<10)
		for enc := gob.NewEncoder(w); err == nil; {
			err = enc.Encode(&r)
		}
		return harness.Sample{}, nil //nolint:nilerr // the reader has gone
	}
	defer l.Close()
	dec := gob.NewDecoder(bufio.NewReaderSize(l, 64<<10))
	return streamed(func() error { return dec.Decode(&r) })
}

// Echo is the service of net/rpc.
type Echo struct{}

// Back returns what it is given.
func (Echo) Back(in Record, out *Record) error {
	*out = in
	return nil
}

func rpcTrip(_ context.Context, p *Place) (harness.Sample, error) {
	l, err := p.connect()
	if err != nil {
		return harness.Sample{}, err
	}
	if p.Side > 0 {
		s := rpc.NewServer()
		if err := s.Register(Echo{}); err != nil {
			return harness.Sample{}, err
		}
		s.ServeConn(l)
		return harness.Sample{}, nil
	}
	c := rpc.NewClient(l)
	defer c.Close()
	in := Record{ID: 1, Body: make([]byte, p.Int("size"))}
	return roundTrips(p.Int("rounds"), func() error {
		var out Record
		if err := c.Call("Echo.Back", in, &out); err != nil {
			return err
		}
		if out.ID != in.ID {
			return fmt.Errorf("got record %d, want %d", out.ID, in.ID)
		}
		return nil
	})
}

func flockAlone(_ context.Context, p *Place) (harness.Sample, error) {
	f := flock.New(filepath.Join(p.Dir, "lock"))
	var failed error
	s := repeated(200, 100, func() {
		for range 100 {
			if err := errors.Join(f.Lock(), f.Unlock()); err != nil {
				failed = err
			}
		}
	})
	return s, failed
}
