package measure

import (
	"context"
	"io"

	"github.com/shoal-ipc/shoal/bench/internal/harness"
	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/shm"
)

func pipeJobs() map[string]Job {
	return map[string]Job{
		"shoal/pipetrip":   pipeTrip,
		"shoal/pipestream": pipeStream,
	}
}

// conn returns this side's end of the pipe that both sides share; side 0 starts
// the other one.
func (p *Place) conn(ctx context.Context) (*pipe.Conn, error) {
	if p.Side > 0 {
		seg, err := shm.Open(ctx, "bench", &shm.Options{Dir: p.Dir})
		if err != nil {
			return nil, err
		}
		text, err := seg.MarshalText()
		if err != nil {
			return nil, err
		}
		c := new(pipe.Conn)
		err = c.UnmarshalText(append(text, "#pipe:b"...))
		p.Ready()
		return c, err
	}
	seg, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	c, _, err := pipe.Create(ctx, seg, "pipe", pipe.Spec{})
	if err != nil {
		return nil, err
	}
	return c, p.StartOthers()
}

// pipeTrip sends messages of 64 bytes there and back.
func pipeTrip(ctx context.Context, p *Place) (harness.Sample, error) {
	c, err := p.conn(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	defer c.Close()
	rounds := p.Int("rounds")
	if p.Side > 0 {
		for err == nil {
			var x msg64
			if x, err = pipe.Recv[msg64](ctx, c); err == nil {
				err = pipe.Send(ctx, c, x)
			}
		}
		if err == io.EOF { //nolint:errorlint // Recv returns io.EOF itself
			err = nil
		}
		return harness.Sample{}, err
	}
	var x msg64
	return roundTrips(rounds, func() (err error) {
		if err = pipe.Send(ctx, c, x); err == nil {
			x, err = pipe.Recv[msg64](ctx, c)
		}
		return err
	})
}

// pipeStream has side 1 write as fast as it can, until side 0 has seen enough.
func pipeStream(ctx context.Context, p *Place) (harness.Sample, error) {
	c, err := p.conn(ctx)
	if err != nil {
		return harness.Sample{}, err
	}
	defer c.Close()
	buf := make([]byte, p.Int("size"))
	if p.Side > 0 {
		for err == nil {
			_, err = c.Write(buf)
		}
		return harness.Sample{}, nil //nolint:nilerr // the reader has gone: it has seen enough
	}
	return streamed(func() error {
		_, err := io.ReadFull(c, buf)
		return err
	})
}
