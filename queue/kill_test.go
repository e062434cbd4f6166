//go:build linux

package queue_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/process"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/shm/shmtest"
	"github.com/shoal-ipc/shoal/value"
)

// books are what children write down as they go, in shared memory, so that it is
// there when they are dead.
type books struct {
	Trying *array.Atomic[uint32] // by producer: the message that it is about to put
	Put    *array.Atomic[uint32] // by producer: the last message that was put for sure
	Began  *array.Atomic[uint32] // by message: how often it was received, or got
	Ended  *array.Atomic[uint32] // by message: how often it was acknowledged, or got
	Inside *array.Atomic[uint32] // by consumer: inside of a call that takes for good
	Stop   *value.Atomic[int64]
}

type role struct {
	Q       *queue.Queue[[]byte]
	Books   books
	Number  int // of the producer, or consumer
	Receive bool
}

// perProducer is how many messages one producer puts, if it lives.
const perProducer = 1000

func newBooks(t *testing.T, seg *shm.Segment, producers, consumers int) books {
	t.Helper()
	list := func(name string, n int) *array.Atomic[uint32] {
		a, err := array.CreateAtomic[uint32](t.Context(), seg, name, array.Spec{Len: n})
		must(t, err)
		return a
	}
	stop, err := value.CreateAtomic[int64](t.Context(), seg, "stop", 0)
	must(t, err)
	return books{
		Trying: list("trying", producers), Put: list("put", producers),
		Began: list("began", producers*perProducer), Ended: list("ended", producers*perProducer),
		Inside: list("inside", consumers), Stop: stop,
	}
}

// letter returns a message whose every byte can be checked.
func letter(from, n int) []byte {
	size := 8
	if n%2 == 0 {
		size += (from*31 + n*97) % 6000
	}
	b := make([]byte, size)
	binary.LittleEndian.PutUint32(b, uint32(from))
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
	for i := 8; i < size; i++ {
		b[i] = byte(i*n + from)
	}
	return b
}

// open returns what letter made b of.
func openLetter(b []byte) (from, n int, err error) {
	if len(b) < 8 {
		return 0, 0, fmt.Errorf("a message of %d bytes", len(b))
	}
	from, n = int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:]))
	if !bytes.Equal(b, letter(from, n)) {
		return 0, 0, fmt.Errorf("message %d of %d is torn", n, from)
	}
	return from, n, nil
}

var produce = process.Func("queue-produce", func(ctx context.Context, r role) error {
	for n := 1; n < perProducer && r.Books.Stop.Load() == 0; n++ {
		m := letter(r.Number, n)
		r.Books.Trying.Store(r.Number, uint32(n))
		var err error
		switch n % 5 {
		case 0:
			err = r.Q.PutFunc(ctx, func(b *[]byte) error {
				*b = append((*b)[:0], m...)
				return nil
			})
		case 1:
			var l queue.Loan[[]byte]
			if l, err = r.Q.Reserve(ctx); err == nil {
				*l.Value() = append((*l.Value())[:0], m...)
				err = l.Publish()
			}
		default:
			err = r.Q.Put(ctx, m)
		}
		if err != nil {
			return err
		}
		r.Books.Put.Store(r.Number, uint32(n))
	}
	return nil
})

var consume = process.Func("queue-consume", func(ctx context.Context, r role) error {
	for {
		err := consumeOne(ctx, r)
		if errors.Is(err, queue.ErrShutdown) {
			return nil
		}
		if err != nil {
			return err
		}
	}
})

func consumeOne(ctx context.Context, r role) error {
	if !r.Receive {
		r.Books.Inside.Store(r.Number, 1)
		b, err := r.Q.Get(ctx)
		if err != nil {
			return err
		}
		from, n, err := openLetter(b)
		if err != nil {
			return err
		}
		r.Books.Began.Add(from*perProducer+n, 1)
		r.Books.Ended.Add(from*perProducer+n, 1)
		r.Books.Inside.Store(r.Number, 0)
		return nil
	}
	d, err := r.Q.Receive(ctx)
	if err != nil {
		return err
	}
	from, n, err := openLetter(*d.Value())
	if err != nil {
		return err
	}
	if began := r.Books.Began.Add(from*perProducer+n, 1); int(began) > d.Attempt() {
		return fmt.Errorf("message %d of %d began %d times, attempt %d", n, from, began, d.Attempt())
	}
	if n%7 == 0 && d.Attempt() == 1 {
		d.Nack()
		return nil
	}
	if r.Books.Ended.Load(from*perProducer+n) != 0 {
		return fmt.Errorf("message %d of %d came again after its end", n, from)
	}
	if err := d.Ack(); err != nil {
		return err
	}
	r.Books.Ended.Add(from*perProducer+n, 1)
	return nil
}

var killRounds = flag.Int("kills", 40, "how many children TestKills kills")

// TestKills starts producers and consumers, kills them at random, and compares
// the books.
// Conformance: RQU-09.
func TestKills(t *testing.T) {
	for _, how := range []string{"get", "receive"} {
		t.Run(how, func(t *testing.T) { kills(t, how == "receive", *killRounds) })
	}
}

func kills(t *testing.T, receive bool, rounds int) {
	if testing.Short() {
		rounds = min(rounds, 5)
	}
	ctx := ample(t)
	seg := shmtest.Segment(t, shm.Spec{})
	q, err := queue.Create[[]byte](ctx, seg, "q", queue.Spec{Cap: 8, SlotSize: 200, MaxSize: 8000, Heap: 20000})
	must(t, err)
	const producers, consumers = 2, 2
	b := newBooks(t, seg, producers+2*rounds, consumers+rounds)
	var children [producers + consumers]*process.Child
	next := [2]int{} // numbers of producers and of consumers
	startOne := func(i int) {
		t.Helper()
		f, kind := produce, 0
		if i >= producers {
			f, kind = consume, 1
		}
		child, err := f.Start(ctx, role{Q: q, Books: b, Number: next[kind], Receive: receive})
		must(t, err)
		next[kind]++
		children[i] = child
	}
	for i := range children {
		startOne(i)
	}
	for range rounds {
		// Let some be put, and take a child in the middle of whatever it does.
		enough := b.total(next[0]) + uint32(20+rand.IntN(200))
		for b.total(next[0]) < enough && ctx.Err() == nil {
			for i := range producers {
				if ended(children[i]) && next[0] < b.Put.Len() {
					startOne(i)
				}
			}
			<-time.After(100 * time.Microsecond)
		}
		i := rand.IntN(len(children))
		must(t, children[i].Kill())
		startOne(i)
	}
	b.Stop.Store(1)
	must(t, ignoreKills(process.Wait(ctx, children[:producers]...)))
	must(t, q.Shutdown())
	must(t, ignoreKills(process.Wait(ctx, children[producers:]...)))
	audit(t, q, b, next, receive)
}

// total returns how many messages have been put.
func (b books) total(producers int) uint32 {
	n := uint32(0)
	for i := range producers {
		n += b.Put.Load(i)
	}
	return n
}

func ended(c *process.Child) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// ignoreKills leaves the errors of children that were not killed.
func ignoreKills(err error) error {
	var exit *process.ExitError
	if errors.As(err, &exit) && exit.Signal == 9 {
		return nil
	}
	return err
}

func audit(t *testing.T, q *queue.Queue[[]byte], b books, next [2]int, receive bool) {
	t.Helper()
	// Whoever was killed has been repaired by now, or is while this waits.
	for {
		x, err := q.Get(within(t))
		if errors.Is(err, queue.ErrShutdown) {
			break
		}
		must(t, err)
		from, n, err := openLetter(x)
		must(t, err)
		b.Began.Add(from*perProducer+n, 1)
		b.Ended.Add(from*perProducer+n, 1)
	}
	put, again, lost := 0, 0, 0
	for from := range next[0] {
		sure, trying := int(b.Put.Load(from)), int(b.Trying.Load(from))
		put += sure
		for n := 1; n < perProducer; n++ {
			began, ended := b.Began.Load(from*perProducer+n), b.Ended.Load(from*perProducer+n)
			again += int(max(began, 1)) - 1
			switch {
			case n > trying && began > 0:
				t.Errorf("message %d of %d came from nowhere", n, from)
			case n <= sure && began == 0:
				lost++
			case !receive && began > 1:
				t.Errorf("message %d of %d was got %d times", n, from, began)
			case ended > 1:
				t.Errorf("message %d of %d ended %d times", n, from, ended)
			}
		}
	}
	allowed := 0
	for i := range next[1] {
		allowed += int(b.Inside.Load(i)) // only who takes for good sets it
	}
	if lost > allowed {
		t.Errorf("%d messages are lost, %d may be", lost, allowed)
	}
	t.Logf("%d put, %d came again, %d gone with those who got them", put, again, lost)
	if n := q.Len(); n != 0 {
		t.Errorf("%d left", n)
	}
}

// holder takes everything that can be taken, says so, and waits to be killed.
var holder = process.Func("queue-holder", func(ctx context.Context, q *queue.Queue[int]) error {
	if _, err := q.Receive(ctx); err != nil {
		return err
	}
	if _, err := q.Reserve(ctx); err != nil {
		return err
	}
	fmt.Println("held")
	<-ctx.Done()
	return nil
})

// waiter says that it is about to wait.
var waiter = process.Func("queue-waiter", func(ctx context.Context, q *queue.Queue[int]) error {
	fmt.Println("waits")
	_, err := q.Get(ctx)
	return err
})

func startTalking[A any](t *testing.T, f *process.Function[A], args A) *process.Child {
	t.Helper()
	out, in, err := os.Pipe()
	must(t, err)
	defer out.Close()
	cmd := f.Command(args)
	cmd.Stdout = in
	child, err := cmd.Start(t.Context())
	must(t, err)
	must(t, in.Close())
	if _, err := out.Read(make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	return child
}

// What a dead process held comes back, and those who wait for it go on.
func TestKilledHolder(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	ctx := within(t)
	q := mustCreate[int](t, seg, queue.Spec{Cap: 2})
	must(t, q.Put(ctx, 7))
	child := startTalking(t, holder, q)
	wantError(t, q.TryPut(8), queue.ErrFull)
	get := mustBlock(t, func() error {
		d, err := q.Receive(ctx)
		if err != nil {
			return err
		}
		if *d.Value() != 7 || d.Attempt() != 2 {
			return fmt.Errorf("got %d, attempt %d", *d.Value(), d.Attempt())
		}
		return d.Ack()
	})
	shmtest.Kill(t, child)
	must(t, get())
	must(t, q.TryPut(8))
	child = startTalking(t, holder, q) // has a delivery and a loan: that is all of the queue
	put := mustBlock(t, func() error { return q.Put(ctx, 9) })
	shmtest.Kill(t, child)
	must(t, put())
}

// A process that is killed while it waits takes no wake-up with it.
func TestKilledWaiter(t *testing.T) {
	seg := shmtest.Segment(t, shm.Spec{})
	ctx := within(t)
	q := mustCreate[int](t, seg, queue.Spec{Cap: 2})
	for i := range 10 {
		child := startTalking(t, waiter, q)
		get := mustBlock(t, func() error {
			x, err := q.Get(ctx)
			if err == nil && x != i {
				err = fmt.Errorf("got %d, want %d", x, i)
			}
			return err
		})
		must(t, child.Kill())
		must(t, q.Put(ctx, i))
		if err := get(); err != nil { // unless the child was quicker than its death
			t.Fatal(err)
		}
		<-child.Done()
	}
}
