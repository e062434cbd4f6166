package duplex_test

import (
	"context"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/duplex"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/stage"
)

// FuzzBytes lets any bytes be a pipe: its users get errors at worst, and nothing
// behind it is touched.
func FuzzBytes(f *testing.F) {
	const word = 8
	for _, at := range []int{0, 128, 256, 384, 448, 512, 640, 768, 832, 896, 1152, 1536} {
		f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255}, at/word, []byte{3, 1})
		f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0}, at/word, []byte{0, 200})
		f.Add([]byte{100}, at/word, []byte{9})
	}
	// Headers of messages, with a writer that is 64 bytes ahead.
	for kind := range byte(6) {
		f.Add([]byte{64}, 256/word, []byte{5, 0, 0, 0, kind, 2, 0x50, 0x5f})
		f.Add([]byte{64}, 256/word, []byte{255, 255, 0, 0, kind, 2, 0x50, 0x5f, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 3, 0, 0x50, 0x5f})
	}
	f.Fuzz(func(t *testing.T, bytes []byte, where int, content []byte) {
		shape := object.Shape{Spec: duplex.Spec{Buffer: 300, MaxSize: 1 << 16}.Pack(), Slots: slots}
		b := stage.Scribble{Bytes: bytes, Where: where & 1023}
		stage.Hostile(t, duplex.Kind(), shape, b, func(s *stage.Stage) {
			if raw, err := s.Region.Bytes(1536, s.Region.Len()-1536); err == nil {
				copy(raw, content)
			}
			use(t, world{s})
		})
	})
}

// use does everything with a pipe that need not be one.
func use(t *testing.T, w world) {
	t.Helper()
	for _, p := range []party{w.join(1, 0), w.join(2, 1)} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		_ = p.Take(ctx)
		p.reads.Set(time.Now().Add(time.Millisecond), p.Nudge)
		p.writes.Set(time.Now().Add(time.Millisecond), p.Nudge)
		_, _ = p.expect(ctx, 5)
		for range 3 {
			if b, err := p.receive(ctx); err == nil && len(b) > 1<<16 {
				t.Errorf("received %d bytes", len(b))
			}
		}
		_ = p.send(ctx, pattern(1, 20))
		_ = p.send(ctx, pattern(1, 1000))
		_, _ = p.write(pattern(1, 400))
		_, _ = p.read(make([]byte, 1000))
		_ = p.Poll(ctx, p.reads)
		p.Abandon(p.Give(p.Ticket()))
		cancel()
	}
	if core, ok := w.Core.(*duplex.Core); ok {
		_ = core.State()
	}
}
