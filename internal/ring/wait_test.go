package ring_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/ring"
)

// patient returns a port whose waits end only by a wake-up: a lost one hangs (with
// the tag shmcheck; else it takes a while).
func (b *bed) patient(slot uint32) *ring.Port {
	withoutSlice(b.t)
	p := b.port(slot)
	p.NoSlices()
	return p
}

// background runs f and returns what waits for its end, and takes its error.
func background(t testing.TB, f func() error) (wait func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	return func() error {
		t.Helper()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("hangs")
			return nil
		}
	}
}

// mustBlock starts f, which blocks until what the caller does next.
func mustBlock(t testing.TB, f func() error) (wait func() error) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		t.Fatalf("did not block: %v", err)
	case <-time.After(10 * time.Millisecond):
	}
	return func() error {
		t.Helper()
		select {
		case err := <-done:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("hangs")
			return nil
		}
	}
}

func TestBlocking(t *testing.T) {
	type step func(b *bed, p, c *ring.Port) error
	put := func(s string) step {
		return func(b *bed, p, _ *ring.Port) error { return p.Put(within(b.t), []byte(s)) }
	}
	take := func(s string) step {
		return func(b *bed, _, c *ring.Port) error {
			m, err := c.Take(within(b.t))
			if err != nil {
				return err
			}
			defer c.Finish(m)
			if got := string(c.Bytes(m)); got != s {
				return fmt.Errorf("got %.20q, want %.20q", got, s)
			}
			return nil
		}
	}
	big := long(900, 1)
	var held ring.Message
	receive := func(_ *bed, _, c *ring.Port) (err error) { held, err = c.TryReceive(); return err }
	ack := func(_ *bed, _, c *ring.Port) error { return c.Ack(held) }
	nack := func(_ *bed, _, c *ring.Port) error { c.Nack(held); return nil }
	join := func(b *bed, p, _ *ring.Port) error { return p.Join(within(b.t)) }
	shutdown := func(_ *bed, p, _ *ring.Port) error { p.Shutdown(); return nil }
	var loan ring.Loan
	reserve := func(b *bed, p, _ *ring.Port) (err error) {
		loan, err = p.Reserve(within(b.t), ring.Terms{Size: 10})
		return err
	}
	publish := func(_ *bed, p, _ *ring.Port) error { return p.PublishBytes(loan, []byte("loan")) }
	abandon := func(_ *bed, p, _ *ring.Port) error { p.Abandon(loan); return nil }
	for _, c := range []struct {
		name   string
		before []step
		blocks step
		ends   []step
		want   error
	}{
		{"get until put", nil, take("a"), []step{put("a")}, nil},
		{"get until publish", []step{reserve}, take("loan"), []step{publish}, nil},
		{"get until nack", []step{put("a"), receive}, take("a"), []step{nack}, nil},
		{"put until get", []step{put("a"), put("b")}, put("c"), []step{take("a")}, nil},
		{"put until ack", []step{put("a"), receive, reserve}, put("c"), []step{ack}, nil},
		{"put until abandon", []step{put("a"), reserve}, put("c"), []step{abandon}, nil},
		{"reserve until get", []step{put("a"), put("b")}, reserve, []step{take("a")}, nil},
		{"room until get", []step{put(big)}, put(big), []step{take(big)}, nil},
		{"room until shutdown", []step{put(big)}, put(big), []step{shutdown}, ring.ErrShutdown},
		{"join until get", []step{put("a")}, join, []step{take("a")}, nil},
		{"join until ack", []step{put("a"), put("b"), receive, take("b")}, join, []step{ack}, nil},
		{"put until shutdown", []step{put("a"), put("b")}, put("c"), []step{shutdown}, ring.ErrShutdown},
		{"get until shutdown", nil, take("a"), []step{shutdown}, ring.ErrShutdown},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, ring.Spec{Cap: 2, MaxSize: 1000, Heap: 1000})
			p, q := b.patient(1), b.patient(2)
			for _, s := range c.before {
				if err := s(b, p, q); err != nil {
					t.Fatal(err)
				}
			}
			wait := mustBlock(t, func() error { return c.blocks(b, p, q) })
			for _, s := range c.ends {
				if err := s(b, p, q); err != nil {
					t.Fatal(err)
				}
			}
			if err := wait(); !errors.Is(err, c.want) {
				t.Fatalf("ended with %v, want %v", err, c.want)
			}
			b.check()
		})
	}
}

// A consumer that holds the last message ends the waits of others when it is done.
func TestEndByAck(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 2})
	p, c, d := b.patient(1), b.patient(2), b.patient(3)
	mustPut(t, p, "a")
	m, err := c.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	p.Shutdown()
	wait := mustBlock(t, func() error { _, err := d.Take(within(t)); return err })
	if err := c.Ack(m); err != nil {
		t.Fatal(err)
	}
	wantError(t, wait(), ring.ErrShutdown)
}

// Deaths end waits, too.
func TestEndByDeath(t *testing.T) {
	for _, c := range []struct {
		name   string
		dying  func(t *testing.T, v *ring.Port)
		blocks func(ctx context.Context, p *ring.Port) error
		want   error
	}{
		{"its delivery", func(t *testing.T, v *ring.Port) {
			mustPut(t, v, "a")
			if _, err := v.TryReceive(); err != nil {
				t.Fatal(err)
			}
		}, func(ctx context.Context, p *ring.Port) error { _, err := p.Take(ctx); return err }, nil},
		{"its claim", func(t *testing.T, v *ring.Port) {
			if _, err := v.TryClaim(); err != nil {
				t.Fatal(err)
			}
			v.Shutdown()
		}, func(ctx context.Context, p *ring.Port) error { _, err := p.Take(ctx); return err }, ring.ErrShutdown},
		{"its loans", func(t *testing.T, v *ring.Port) {
			for range 2 {
				if _, err := v.TryReserve(ring.Terms{Size: 1}); err != nil {
					t.Fatal(err)
				}
			}
		}, func(ctx context.Context, p *ring.Port) error { return p.Put(ctx, []byte("x")) }, nil},
		{"its block", func(t *testing.T, v *ring.Port) {
			if _, err := v.TryReserve(ring.Terms{Size: 1000}); err != nil {
				t.Fatal(err)
			}
		}, func(ctx context.Context, p *ring.Port) error { return p.Put(ctx, make([]byte, 1000)) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, ring.Spec{Cap: 2, MaxSize: 1000, Heap: 1000})
			c.dying(t, b.port(2))
			p := b.patient(1)
			wait := mustBlock(t, func() error { return c.blocks(within(t), p) })
			b.die(2)
			wantError(t, wait(), c.want)
			b.check()
		})
	}
}

// What may be lent to a system call stays untouched until the process is gone.
func TestRepairInTwoParts(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 3, MaxSize: 1000, Heap: 2000, Granule: 1000})
	p, v := b.port(1), b.port(2)
	mustPut(t, p, "a")
	if _, err := v.TryReceive(); err != nil {
		t.Fatal(err)
	}
	if _, err := v.TryReserve(ring.Terms{Size: 1000}); err != nil {
		t.Fatal(err)
	}
	b.core.Repair(deadNow(2))
	_, err := p.TryTake()
	wantError(t, err, ring.ErrEmpty)
	if free, all := b.core.FreeBlocks(); free != all-1 {
		t.Fatalf("%d of %d blocks free", free, all)
	}
	b.core.Repair(goneNow(2))
	delete(b.uses, 2)
	mustGet(t, p, "a")
	b.checkEmpty()
}

func TestCancel(t *testing.T) {
	for name, op := range map[string]func(ctx context.Context, p *ring.Port) error{
		"put":     func(ctx context.Context, p *ring.Port) error { return p.Put(ctx, []byte("z")) },
		"long":    func(ctx context.Context, p *ring.Port) error { return p.Put(ctx, make([]byte, 1000)) },
		"reserve": func(ctx context.Context, p *ring.Port) error { _, err := p.Reserve(ctx, ring.Terms{}); return err },
		"join":    func(ctx context.Context, p *ring.Port) error { return p.Join(ctx) },
		"room": func(ctx context.Context, p *ring.Port) error {
			_, err := get(p)
			if err == nil {
				_, err = p.Reserve(ctx, ring.Terms{Size: 1000})
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t, ring.Spec{Cap: 2, MaxSize: 1000, Heap: 1000})
			p := b.patient(1)
			mustPut(t, p, "a", long(1000, 2))
			ctx, cancel := context.WithCancel(t.Context())
			wait := mustBlock(t, func() error { return op(ctx, p) })
			cancel()
			wantError(t, wait(), context.Canceled)
			short, stop := context.WithTimeout(t.Context(), time.Millisecond)
			defer stop()
			if name != "room" {
				wantError(t, op(short, p), context.DeadlineExceeded)
				mustGet(t, p, "a")
			}
			b.check()
			mustGet(t, p, long(1000, 2))
			b.checkEmpty()
			shortly, stop := context.WithTimeout(t.Context(), time.Millisecond)
			defer stop()
			_, err := p.Take(shortly)
			wantError(t, err, context.DeadlineExceeded)
			b.checkEmpty()
		})
	}
}

func TestClose(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 2, MaxSize: 1000, Heap: 1000})
	p, q := b.patient(1), b.patient(2)
	taking := mustBlock(t, func() error { _, err := q.Take(within(t)); return err })
	receiving := mustBlock(t, func() error { _, err := q.Receive(within(t)); return err })
	b.uses[2].End()
	wantError(t, taking(), fs.ErrClosed)
	wantError(t, receiving(), fs.ErrClosed)
	mustPut(t, p, "a", long(1000, 1))
	_, err := q.TryReceive() // it overtook Close
	wantError(t, err, fs.ErrClosed)
	_, err = b.port(3).TryReserve(ring.Terms{})
	wantError(t, err, ring.ErrFull)
	mustGet(t, p, "a", long(1000, 1))
	if _, err := q.TryReserve(ring.Terms{Size: 1000, Lent: true}); !errors.Is(err, fs.ErrClosed) {
		t.Fatal(err)
	}
	b.checkEmpty()
}

// Leave returns what users hold, and only that.
func TestLeave(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 4, MaxSize: 1000, Heap: 4000, Granule: 1000})
	p, q := b.port(1), b.port(2)
	mustPut(t, p, "a", "b")
	m, err := q.TryReceive()
	if err != nil {
		t.Fatal(err)
	}
	mine, err1 := q.TryReserve(ring.Terms{Size: 1000, Tag: 1, Lent: true})
	inside, err2 := q.TryReserve(ring.Terms{Size: 1000, Tag: 2})
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	b.uses[2].End()
	b.core.Leave(2)
	if free, all := b.core.FreeBlocks(); free != all-1 {
		t.Fatalf("%d of %d blocks free", free, all)
	}
	wantError(t, q.Ack(m), fs.ErrClosed)
	q.Nack(m)
	wantError(t, q.PublishBlock(mine, 5), fs.ErrClosed)
	q.Abandon(inside) // as its operation does in the end
	mustGet(t, p, "a", "b")
	b.checkEmpty()
}

func TestReady(t *testing.T) {
	b := newBed(t, ring.Spec{Cap: 4})
	p, c, d := b.patient(1), b.patient(2), b.patient(3)
	ready, other := c.Ready(), d.Ready()
	if ready != c.Ready() {
		t.Fatal("not the same channel")
	}
	for i := range 20 {
		wait := background(t, func() error { // who waits gets it although others only look
			m, err := p.Take(within(t))
			if err == nil {
				p.Finish(m)
			}
			return err
		})
		mustPut(t, p, fmt.Sprint(i), "more")
		if err := wait(); err != nil {
			t.Fatal(err)
		}
		for {
			<-ready
			if _, err := get(c); err == nil {
				break
			}
		}
	}
	p.Shutdown()
	for range ready {
	}
	for range other {
	}
}

// TestStress has many goroutines of several participants put, get, give up and
// give back, with no second line of defence against a lost wake-up.
func TestStress(t *testing.T) {
	for _, spec := range []ring.Spec{
		{Cap: 1, MaxSize: 2000, Heap: 2000, Granule: 256},
		{Cap: 2},
		{Cap: 7, MaxSize: 2000, Heap: 5000, Granule: 256},
		{Cap: 64, SlotSize: 1500, MaxSize: 3000, Heap: 6000},
	} {
		t.Run(fmt.Sprint(spec.Cap), func(t *testing.T) { stress(t, spec, 3, 400) })
	}
}

func stress(t *testing.T, spec ring.Spec, each, messages int) {
	b := newBed(t, spec)
	most := int(b.core.Spec().MaxSize)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var makers, takers sync.WaitGroup
	for i := range each {
		p := b.patient(uint32(i + 1))
		for k := range 2 {
			makers.Go(func() { produce(ctx, t, p, i*2+k, messages, most) })
		}
	}
	var mu sync.Mutex
	seen := map[string]int{}
	for i := range each {
		p := b.patient(uint32(each + i + 1))
		for k := range 2 {
			takers.Go(func() {
				order := map[string]int{}
				for {
					m, attempt, err := consume(ctx, p, k)
					if errors.Is(err, ring.ErrShutdown) {
						return
					}
					if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
						continue
					}
					if err != nil {
						t.Error(err)
						return
					}
					name, _, _ := strings.Cut(m, "|")
					var from, n int
					if _, err := fmt.Sscanf(name, "%d:%d", &from, &n); err != nil || m != message(from, n, most) {
						t.Errorf("strange message %.20q", m)
					}
					if last := order[fmt.Sprint(from)]; attempt == 1 && n <= last {
						t.Errorf("%d of %d after %d", n, from, last)
					} else if attempt == 1 {
						order[fmt.Sprint(from)] = n
					}
					mu.Lock()
					seen[name]++
					mu.Unlock()
				}
			})
		}
	}
	makers.Wait()
	if ctx.Err() != nil {
		t.Logf("hung\n%s", b.core.Dump())
	}
	b.port(8).Shutdown()
	takers.Wait()
	if ctx.Err() != nil {
		t.Fatalf("hung\n%s", b.core.Dump())
	}
	if len(seen) != each*2*messages {
		t.Errorf("%d messages came, %d were put", len(seen), each*2*messages)
	}
	for m, n := range seen {
		if n != 1 {
			t.Errorf("%q came %d times", m, n)
		}
	}
	b.checkEmpty()
}

func message(from, n, most int) string {
	m := fmt.Sprintf("%d:%d|", from, n)
	if n%5 == 0 {
		m += long(n*37%(most-len(m)), n)
	}
	return m
}

func produce(ctx context.Context, t *testing.T, p *ring.Port, from, messages, most int) {
	for n := 1; n <= messages; {
		m := []byte(message(from, n, most))
		short, cancel := ctx, context.CancelFunc(func() {})
		if n%4 == 0 {
			short, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
		}
		var err error
		switch {
		case n%3 == 0 && len(m) <= p.InlineSize():
			var l ring.Loan
			if l, err = p.Reserve(short, ring.Terms{}); err == nil {
				err = p.PublishBytes(l, m)
			}
		default:
			err = p.Put(short, m)
		}
		cancel()
		switch {
		case err == nil:
			n++
		case !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil:
			t.Error(err)
			return
		}
	}
}

func consume(ctx context.Context, p *ring.Port, how int) (string, int, error) {
	if rand.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(200))*time.Microsecond)
		defer cancel()
	}
	if how == 0 {
		m, err := p.Take(ctx)
		if err != nil {
			return "", 0, err
		}
		defer p.Finish(m)
		return string(p.Bytes(m)), m.Attempt(), nil
	}
	for {
		m, err := p.Receive(ctx)
		if err != nil {
			return "", 0, err
		}
		if rand.IntN(4) == 0 {
			p.Nack(m)
			continue
		}
		s := string(p.Bytes(m))
		return s, m.Attempt(), p.Ack(m)
	}
}
