//go:build linux

package queue_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
)

// mill is what all processes of TestMill have. They put and get in every form that
// there is, come and go, are slow and are stopped; and they note in Notes what came.
type mill struct {
	Q         *queue.Queue[numbered]
	Notes     *array.Atomic[uint32]
	Producers int
	N         int // messages of each producer

	From, First, Last int // of one who puts
	Ops               int // of one who gets
	Seed              uint64
	// Hasty is a mill of which each one uses one form only and notes as little as
	// can be, so that it is at the queue most of the time.
	Hasty bool
}

// Where in Notes each thing is noted. Per message: how often it came, and whether it
// was received, after which it may be given back; per producer: one more than the
// last of its messages that came.
func (m mill) seen(x numbered) int     { return x.From*m.N + x.N }
func (m mill) received(x numbered) int { return m.Producers*m.N + m.seen(x) }
func (m mill) top(from int) int        { return 2*m.Producers*m.N + from }

// More of what is noted: messages that are in the queue for sure are those put less
// those that somebody has begun to take.
func (m mill) puts() int  { return m.top(m.Producers) }
func (m mill) begun() int { return m.puts() + 1 }
func (m mill) over() int  { return m.puts() + 2 }
func (m mill) notes() int { return m.puts() + 3 }

var (
	millPuts = process.Func("queue-mill-puts", func(ctx context.Context, m mill) error { return m.put(ctx) })
	millGets = process.Func("queue-mill-gets", func(ctx context.Context, m mill) error {
		c := &miller{mill: m, r: rand.New(rand.NewPCG(m.Seed, 1)), last: make([]uint32, m.Producers), tops: make([]uint32, m.Producers)}
		if c.favorite = c.r.IntN(forms); c.favorite < 2 {
			c.favorite = forms * c.r.IntN(2) // of those who receive, half get
		}
		return c.get(ctx)
	})
)

// put puts messages First to Last. There are never more in the queue than fit, and
// one more for each other one who puts at the same moment.
func (m mill) put(ctx context.Context) error {
	r := rand.New(rand.NewPCG(m.Seed, 2))
	favorite := r.IntN(forms)
	for n := m.First; n < m.Last; {
		how := favorite
		if !m.Hasty {
			how = r.IntN(forms)
		}
		k, err := m.putSome(ctx, how, n)
		if err != nil {
			return err
		}
		n += k
		if m.Hasty {
			continue
		}
		puts := m.Notes.Add(m.puts(), uint32(k))
		if in := int32(puts - m.Notes.Load(m.begun())); int(in) > m.Q.Cap()+m.Producers-1 {
			return fmt.Errorf("%d messages in a queue of %d", in, m.Q.Cap())
		}
	}
	return nil
}

// forms is how many forms of puts, and of gets, there are.
const forms = 6

// putSome puts message n, and perhaps some that follow, and returns how many.
func (m mill) putSome(ctx context.Context, how, n int) (int, error) {
	x := numbered{m.From, n}
	switch how {
	case 0:
		if err := m.Q.TryPut(x); !errors.Is(err, queue.ErrFull) {
			return 1, err
		}
	case 1:
		list := make([]numbered, min(1+n%8, m.Last-n))
		for i := range list {
			list[i] = numbered{m.From, n + i}
		}
		return m.Q.PutBatch(ctx, list)
	case 2:
		l, err := m.Q.Reserve(ctx)
		if err != nil {
			return 0, err
		}
		*l.Value() = x
		return 1, l.Publish()
	case 3:
		return 1, m.Q.PutFunc(ctx, func(p *numbered) error { *p = x; return nil })
	}
	return 1, m.Q.Put(ctx, x)
}

// miller is one who gets.
type miller struct {
	mill
	r    *rand.Rand
	last []uint32 // like top, of those who this process got
	tops []uint32 // top when an operation began
	held []queue.Delivery[numbered]

	favorite int
}

// get gets until it has done its operations, and leaves what it holds to others; or
// until there is no more.
func (c *miller) get(ctx context.Context) error {
	for range c.Ops {
		err := c.step(ctx)
		if errors.Is(err, queue.ErrShutdown) {
			for len(c.held) > 0 {
				if err := c.ack(0); err != nil {
					return err
				}
			}
			c.Notes.Store(c.over(), 1)
			return nil
		}
		if err != nil && !errors.Is(err, queue.ErrEmpty) {
			return err
		}
	}
	return nil
}

func (c *miller) step(ctx context.Context) error {
	if len(c.held) > 0 && c.r.IntN(2) == 0 || len(c.held) > 3 {
		i := c.r.IntN(len(c.held))
		if c.r.IntN(2) == 0 {
			return c.ack(i)
		}
		c.held[i].Nack()
		c.held = slices.Delete(c.held, i, i+1)
		return nil
	}
	how := c.favorite
	if !c.Hasty {
		how = c.r.IntN(forms)
	}
	switch {
	case how < 2:
		return c.receive()
	case how == 2 || len(c.held) > 0: // who holds some must not wait: nobody might have room
		return c.take(1, func(list []numbered) (n int, err error) {
			if list[0], err = c.Q.TryGet(); err == nil {
				n = 1
			}
			return n, err
		})
	case how == 3:
		return c.take(1+c.r.IntN(8), func(list []numbered) (int, error) { return c.Q.GetBatch(ctx, list) })
	}
	return c.take(1, func(list []numbered) (n int, err error) {
		if list[0], err = c.Q.Get(ctx); err == nil {
			n = 1
		}
		return n, err
	})
}

// take does get, which gets up to most messages for good.
func (c *miller) take(most int, get func(list []numbered) (int, error)) error {
	list := make([]numbered, most)
	c.begin(most)
	n, err := get(list)
	if !c.Hasty {
		c.Notes.Add(c.begun(), -uint32(most-n))
	}
	for _, x := range list[:n] {
		if err := c.came(x); err != nil && c.Notes.Load(c.received(x)) == 0 {
			return err
		}
		c.Notes.Add(c.seen(x), 1)
	}
	return err
}

func (c *miller) receive() error {
	c.begin(0)
	d, err := c.Q.TryReceive()
	if err != nil {
		return err
	}
	c.held = append(c.held, d)
	x := *d.Value()
	if err := c.came(x); err != nil && d.Attempt() == 1 {
		return err
	}
	c.Notes.Store(c.received(x), 1)
	return nil
}

func (c *miller) ack(i int) error {
	d := c.held[i]
	c.held = slices.Delete(c.held, i, i+1)
	x := *d.Value()
	c.begin(1)
	c.Notes.Add(c.seen(x), 1)
	return d.Ack()
}

// begin notes that up to most messages are about to be taken for good, and what had
// come of each producer before.
func (c *miller) begin(most int) {
	if c.Hasty {
		return
	}
	if most > 0 {
		c.Notes.Add(c.begun(), uint32(most))
	}
	for from := range c.Producers {
		c.tops[from] = c.Notes.Load(c.top(from))
	}
}

// came checks that x comes after all that came from its producer before, to this
// process or to another one. Else it must have come before itself.
func (c *miller) came(x numbered) error {
	n := uint32(x.N) + 1
	if before := max(c.tops[x.From], c.last[x.From]); n <= before {
		return fmt.Errorf("message %d of %d comes after %d: %w", x.N, x.From, before-1, errOrder)
	}
	c.last[x.From] = n
	for !c.Hasty {
		old := c.Notes.Load(c.top(x.From))
		if old >= n || c.Notes.CompareAndSwap(c.top(x.From), old, n) {
			break
		}
	}
	return nil
}

// crew is the children of one round: seats that are taken by one after the other.
type crew struct {
	ctx context.Context
	mill
	r *rand.Rand

	mu   sync.Mutex
	live []*process.Child
	errs []error
}

// run has one child do its part, and waits for it.
func (w *crew) run(f *process.Function[mill], m mill) bool {
	w.mu.Lock()
	m.Seed = w.r.Uint64()
	w.mu.Unlock()
	child, err := f.Start(w.ctx, m)
	if err == nil {
		w.mu.Lock()
		w.live = append(w.live, child)
		w.mu.Unlock()
		err = child.Wait(w.ctx)
		w.mu.Lock()
		w.live = slices.DeleteFunc(w.live, func(c *process.Child) bool { return c == child })
		w.mu.Unlock()
	}
	if err != nil {
		w.mu.Lock()
		w.errs = append(w.errs, err)
		w.mu.Unlock()
	}
	return err == nil
}

// disturb stops children for a while, until done is.
func (w *crew) disturb(done <-chan struct{}) {
	for {
		w.mu.Lock()
		pause := time.Duration(w.r.IntN(5)) * time.Millisecond
		if len(w.live) > 0 {
			child := w.live[w.r.IntN(len(w.live))]
			w.mu.Unlock()
			_ = child.Signal(syscall.SIGSTOP) // or it has ended
			<-time.After(pause)
			_ = child.Signal(syscall.SIGCONT)
		} else {
			w.mu.Unlock()
		}
		select {
		case <-done:
			return
		case <-time.After(pause):
		}
	}
}

// TestMill has processes put and get in all forms at once, and come, go and be
// stopped. What comes first from each producer comes in order, everything comes
// once, and there are never more messages than fit.
func TestMill(t *testing.T) {
	for _, c := range []struct {
		spec   queue.Spec
		beside int // processes on each side
	}{
		{queue.Spec{Cap: 1}, 3},
		{queue.Spec{Cap: 2}, 3},
		{queue.Spec{Cap: 3}, 3},
		{queue.Spec{Cap: 7}, 4},
		{queue.Spec{Cap: 50}, 4},
		{queue.Spec{Cap: 3, Mode: queue.SPSC}, 1},
	} {
		t.Run(fmt.Sprintf("%s/cap=%d", c.spec.Mode, c.spec.Cap), func(t *testing.T) {
			m := mill{Producers: c.beside, N: 4 * fewer(3000), Ops: max(fewer(5000), 2000)}
			grind(t, c.spec, m)
			m.Hasty, m.N, m.Ops = true, 2*m.N, 2*m.Ops
			grind(t, c.spec, m)
		})
	}
}

func grind(t *testing.T, spec queue.Spec, m mill) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	seg := shmtest.Segment(t, shm.Spec{})
	m.Q = mustCreate[numbered](t, seg, spec)
	var err error
	m.Notes, err = array.CreateAtomic[uint32](ctx, seg, "notes", array.Spec{Len: m.notes()})
	must(t, err)
	w := &crew{ctx: ctx, mill: m, r: rand.New(rand.NewPCG(seed, 3))}
	var from, to sync.WaitGroup
	for seat := range m.Producers {
		from.Go(func() {
			m := m
			m.From = seat
			for quarter := range 4 {
				m.First, m.Last = quarter*m.N/4, (quarter+1)*m.N/4
				if !w.run(millPuts, m) {
					cancel()
					return
				}
			}
		})
		to.Go(func() {
			for m.Notes.Load(m.over()) == 0 {
				if !w.run(millGets, m) {
					cancel()
					return
				}
			}
		})
	}
	done := make(chan struct{})
	var disturbed sync.WaitGroup
	disturbed.Go(func() { w.disturb(done) })
	from.Wait()
	must(t, m.Q.Shutdown())
	to.Wait()
	close(done)
	disturbed.Wait()
	if err := errors.Join(w.errs...); err != nil {
		t.Fatal(err)
	}
	m.rest(t)
}

// rest takes what those who left last have left, and checks that all came once.
func (m mill) rest(t *testing.T) {
	t.Helper()
	for {
		x, err := m.Q.TryGet()
		if errors.Is(err, queue.ErrShutdown) || errors.Is(err, fs.ErrPermission) {
			break
		}
		must(t, err)
		m.Notes.Add(m.seen(x), 1)
	}
	for i := range m.Producers * m.N {
		if n := m.Notes.Load(i); n != 1 {
			t.Fatalf("message %d of %d was seen %d times", i%m.N, i/m.N, n)
		}
	}
	must(t, m.Q.Segment().Check())
}
