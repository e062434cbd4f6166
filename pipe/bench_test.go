package pipe_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/shoal-ipc/shoal/pipe"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// line is a message of 64 bytes.
type line struct{ Words [8]uint64 }

// echoes sends back what it receives.
var echoes = process.Func("pipe-bench-echoes", func(ctx context.Context, c *pipe.Conn) error {
	for {
		x, err := pipe.Recv[line](ctx, c)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = pipe.Send(ctx, c, x)
		}
		if err != nil {
			return err
		}
	}
})

// sinks reads bytes.
var sinks = process.Func("pipe-bench-sinks", func(_ context.Context, c *pipe.Conn) error {
	_, err := io.Copy(io.Discard, onlyReader{c})
	return err
})

type onlyReader struct{ io.Reader }

// BenchmarkRoundTrip sends 64 bytes to another process and back.
func BenchmarkRoundTrip(b *testing.B) {
	seg := shmtest.Segment(b, shm.Spec{})
	here, there := create(b, seg, pipe.Spec{})
	child, err := echoes.Start(b.Context(), there)
	want(b, "Start", err, nil)
	ctx := context.Background()
	var x line
	trip := func() {
		if err := pipe.Send(ctx, here, x); err != nil {
			b.Fatal(err)
		}
		if x, err = pipe.Recv[line](ctx, here); err != nil {
			b.Fatal(err)
		}
	}
	trip()
	b.ReportAllocs()
	for b.Loop() {
		trip()
	}
	want(b, "Close", here.Close(), nil)
	want(b, "Wait", child.Wait(ctx), nil)
}

// BenchmarkThroughput writes bytes to another process.
func BenchmarkThroughput(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"size=64", 64}, {"size=4096", 4096}, {"size=65536", 65536}} {
		b.Run(size.name, func(b *testing.B) {
			seg := shmtest.Segment(b, shm.Spec{})
			here, there := create(b, seg, pipe.Spec{})
			child, err := sinks.Start(b.Context(), there)
			want(b, "Start", err, nil)
			buf := make([]byte, size.n)
			b.SetBytes(int64(size.n))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := here.Write(buf); err != nil {
					b.Fatal(err)
				}
			}
			want(b, "Close", here.Close(), nil)
			want(b, "Wait", child.Wait(b.Context()), nil)
		})
	}
}

// BenchmarkAlone sends messages of 64 bytes to itself: what the calls cost when
// nobody waits.
func BenchmarkAlone(b *testing.B) {
	here, there := create(b, shmtest.Segment(b, shm.Spec{}), pipe.Spec{})
	ctx := context.Background()
	var x line
	b.ReportAllocs()
	for b.Loop() {
		if err := pipe.Send(ctx, here, x); err != nil {
			b.Fatal(err)
		}
		if _, err := pipe.Recv[line](ctx, there); err != nil {
			b.Fatal(err)
		}
	}
}
