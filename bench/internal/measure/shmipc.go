package measure

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cloudwego/shmipc-go"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
)

func shmipcJobs() map[string]Job {
	return map[string]Job{"shmipc/stream": shmipcStream, "shmipc/roundtrip": shmipcTrip}
}

// shmipcConfig is that of the library's own benchmark: much memory, a long queue,
// and most buffers of the size of the messages.
func (p *Place) shmipcConfig() *shmipc.Config {
	c := shmipc.DefaultConfig()
	c.LogOutput = io.Discard
	c.MemMapType = shmipc.MemMapTypeMemFd
	c.ShareMemoryPathPrefix = filepath.Join(p.Dir, "buffers")
	c.QueuePath = filepath.Join(p.Dir, "queue")
	c.QueueCap = 65535
	c.ConnectionWriteTimeout = time.Second
	c.InitializeTimeout = 10 * time.Second
	c.ShareMemoryBufferCap = 256 << 20
	c.BufferSliceSizes = []*shmipc.SizePercentPair{
		{Size: uint32(p.Int("size")) + 256, Percent: 70}, {Size: 16 << 10, Percent: 20}, {Size: 64 << 10, Percent: 10},
	}
	return c
}

// shmipcLink returns a stream to the other side. Side 0 is the server. It learns
// of the stream by the first message, so the client greets it.
func (p *Place) shmipcLink() (*shmipc.Stream, error) {
	path := filepath.Join(p.Dir, "socket")
	if p.Side > 0 {
		conf := &shmipc.SessionManagerConfig{Config: p.shmipcConfig(), Network: "unix", Address: path, SessionNum: 1}
		p.Ready()
		m, err := shmipc.NewSessionManager(conf)
		if err != nil {
			return nil, err
		}
		stream, err := m.GetStream()
		if err != nil {
			return nil, err
		}
		return stream, shmipcSend(stream, greeting)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := p.StartOthers(); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if err != nil {
		return nil, err
	}
	s, err := shmipc.Server(conn, p.shmipcConfig())
	if err != nil {
		return nil, err
	}
	stream, err := s.AcceptStream()
	if err != nil {
		return nil, err
	}
	return stream, shmipcReceive(stream, make([]byte, len(greeting)))
}

var greeting = []byte("hello")

func shmipcSend(s *shmipc.Stream, msg []byte) error {
	if _, err := s.BufferWriter().WriteBytes(msg); err != nil {
		return err
	}
	for {
		err := s.Flush(false)
		if !errors.Is(err, shmipc.ErrQueueFull) {
			return err
		}
		runtime.Gosched()
	}
}

func shmipcReceive(s *shmipc.Stream, msg []byte) error {
	b, err := s.BufferReader().ReadBytes(len(msg))
	if err != nil {
		return err
	}
	copy(msg, b)
	s.BufferReader().ReleasePreviousRead()
	return nil
}

// shmipcStream has the client send while the server, who answers each thousandth
// message, receives: without that its buffers run out.
func shmipcStream(_ context.Context, p *Place) (harness.Sample, error) {
	const run = 1000
	s, err := p.shmipcLink()
	if err != nil {
		return harness.Sample{}, err
	}
	msg, answer := make([]byte, p.Int("size")), make([]byte, 1)
	if p.Side > 0 {
		for n := 1; err == nil; n++ {
			err = shmipcSend(s, msg)
			if n%run == 0 && n > run && err == nil {
				err = shmipcReceive(s, answer)
			}
		}
		return harness.Sample{}, nil //nolint:nilerr // the receiver has gone
	}
	n := 0
	sample, err := streamed(func() error {
		n++
		if n%run == 0 {
			err := shmipcSend(s, answer)
			return errors.Join(err, shmipcReceive(s, msg))
		}
		return shmipcReceive(s, msg)
	})
	_ = s.Close() // the client ends of it
	return sample, err
}

func shmipcTrip(_ context.Context, p *Place) (harness.Sample, error) {
	s, err := p.shmipcLink()
	if err != nil {
		return harness.Sample{}, err
	}
	msg, rounds := make([]byte, p.Int("size")), p.Int("rounds")
	if p.Side > 0 {
		for range tripsOf(rounds) {
			if err := errors.Join(shmipcReceive(s, msg), shmipcSend(s, msg)); err != nil {
				return harness.Sample{}, err
			}
		}
		_ = shmipcReceive(s, msg) // until the server closes: the last answer is on its way
		return harness.Sample{}, nil
	}
	sample, err := roundTrips(rounds, func() error {
		return errors.Join(shmipcSend(s, msg), shmipcReceive(s, msg))
	})
	_ = s.Close()
	return sample, err
}
