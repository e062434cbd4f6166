//go:build linux

package queue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/shm"
)

// The children of TestChaos. Each goroutine of theirs writes down what it does
// in a file of its own, in records that are there when the process is dead.

// record is a line of such a file.
type record struct {
	What    byte
	Attempt byte
	Stream  uint32
	Seq     uint32
	Time    int64
}

const recordSize = 24

// What a record says. Only failed and settled things are known for sure: what
// began last may have come to its end when its process died.
const (
	putBegins = 'b'
	putDone   = 'a'
	putFails  = 'x' // the message is not in the queue
	takeBegin = 's' // a call that may take up to Seq messages, for good if Attempt is 0
	takeEnd   = 'e'
	got       = 'g'
	received  = 'r'
	ackBegins = 'k'
	ackDone   = 'K'
	givesBack = 'n'
)

// journal is such a file.
type journal struct{ f *os.File }

func (j journal) write(what byte, attempt int, stream, seq uint32) {
	var b [recordSize]byte
	b[0], b[1] = what, byte(attempt)
	binary.LittleEndian.PutUint32(b[4:], stream)
	binary.LittleEndian.PutUint32(b[8:], seq)
	binary.LittleEndian.PutUint64(b[16:], uint64(time.Now().UnixNano()))
	if _, err := j.f.Write(b[:]); err != nil {
		panic(err)
	}
}

func parseJournal(b []byte) []record {
	var list []record
	for ; len(b) >= recordSize; b = b[recordSize:] {
		list = append(list, record{
			What: b[0], Attempt: b[1], Stream: binary.LittleEndian.Uint32(b[4:]), Seq: binary.LittleEndian.Uint32(b[8:]),
			Time: int64(binary.LittleEndian.Uint64(b[16:])),
		})
	}
	return list
}

// kit makes and reads messages of one type.
type kit[T any] struct {
	build func(x *T, stream, seq uint32) // x is what a loan's Value is, or a zero T
	read  func(x *T) (stream, seq uint32, err error)
}

// parcel is a message of fixed layout: words that all follow from the first two.
type parcel[A any] struct {
	Stream, Seq uint32
	Words       A
}

func wordAt(stream, seq uint32, i int) uint32 { return (stream*2654435761+seq)*40503 + uint32(i) }

func fixedKit[A any](words func(*A) []uint32) kit[parcel[A]] {
	return kit[parcel[A]]{
		build: func(x *parcel[A], stream, seq uint32) {
			x.Stream, x.Seq = stream, seq
			for i, w := 0, words(&x.Words); i < len(w); i++ {
				w[i] = wordAt(stream, seq, i)
			}
		},
		read: func(x *parcel[A]) (uint32, uint32, error) {
			for i, w := range words(&x.Words) {
				if w != wordAt(x.Stream, x.Seq, i) {
					return 0, 0, fmt.Errorf("message %d of %d is torn at word %d", x.Seq, x.Stream, i)
				}
			}
			return x.Stream, x.Seq, nil
		},
	}
}

// bytesKit makes messages of up to most bytes, most of which are short.
func bytesKit(most int) kit[[]byte] {
	const head = 12
	return kit[[]byte]{
		build: func(x *[]byte, stream, seq uint32) {
			n := head + rand.IntN(200)
			if rand.IntN(3) == 0 {
				n = head + rand.IntN(most-head+1)
			}
			b := *x
			if cap(b) < n {
				b = make([]byte, n)
			}
			b = b[:n]
			for i := head; i < n; i++ {
				b[i] = byte(wordAt(stream, seq, i/4) >> (i % 4 * 8))
			}
			binary.LittleEndian.PutUint32(b, stream)
			binary.LittleEndian.PutUint32(b[4:], seq)
			binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[head:])+stream*31+seq+uint32(n))
			*x = b
		},
		read: func(x *[]byte) (uint32, uint32, error) {
			b := *x
			if len(b) < head {
				return 0, 0, fmt.Errorf("a message of %d bytes", len(b))
			}
			stream, seq := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
			if binary.LittleEndian.Uint32(b[8:]) != crc32.ChecksumIEEE(b[head:])+stream*31+seq+uint32(len(b)) {
				return 0, 0, fmt.Errorf("message %d of %d is torn (%d bytes)", seq, stream, len(b))
			}
			return stream, seq, nil
		},
	}
}

// chaosEnv tells a child what it is: directory, kind of message, role, number.
const chaosEnv = "SHOAL_CHAOS_CHILD"

// TestChaosChild is no test but what a child of TestChaos runs.
func TestChaosChild(t *testing.T) {
	args := strings.Split(os.Getenv(chaosEnv), "|")
	if len(args) != 4 {
		t.Skip("for children of TestChaos")
	}
	number, err := strconv.Atoi(args[3])
	must(t, err)
	must(t, chaosKinds[args[1]].child(args[0], args[2], number))
}

// tell reports what must not be, to the parent.
func tell(err error) {
	fmt.Fprintln(os.Stderr, "chaos:", err)
	os.Exit(3)
}

const goroutines = 2 // of each child

func runChild[T any](k kit[T], dir, role string, number int) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	seg, err := shm.Open(ctx, "chaos", &shm.Options{Dir: dir})
	if err != nil {
		return ignoreCanceled(err)
	}
	q, err := queue.Open[T](ctx, seg, "q")
	if err != nil {
		return ignoreCanceled(err)
	}
	defer disturb()()
	var wg sync.WaitGroup
	for g := range goroutines {
		stream := uint32(number*goroutines + g)
		f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%s-%d", role, stream)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		wg.Go(func() {
			switch role {
			case "producer":
				(&chaosProducer[T]{journal{f}, q, k, stream, 0}).run(ctx)
			case "consumer":
				(&chaosConsumer[T]{journal{f}, q, k}).run(ctx, 8)
			case "receiver": // takes nothing for good but by Ack: none may be missing
				(&chaosConsumer[T]{journal{f}, q, k}).run(ctx, 3)
			}
		})
	}
	wg.Wait()
	return seg.Close()
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

type chaosProducer[T any] struct {
	journal
	q      *queue.Queue[T]
	kit    kit[T]
	stream uint32
	seq    uint32
}

func (p *chaosProducer[T]) run(ctx context.Context) {
	for ctx.Err() == nil {
		var err error
		switch rand.IntN(8) {
		case 0:
			err = p.batch(ctx)
		case 1:
			err = p.one(p.q.TryPut)
		case 2:
			err = p.inPlace(ctx)
		case 3:
			err = p.lent(p.q.Reserve(ctx))
		case 4:
			err = p.lent(p.q.TryReserve())
		default:
			err = p.one(func(x T) error { return p.q.Put(ctx, x) })
		}
		if err != nil && !errors.Is(err, queue.ErrFull) && !errors.Is(err, context.Canceled) {
			tell(err)
		}
	}
}

func (p *chaosProducer[T]) next() T {
	var x T
	p.seq++
	p.kit.build(&x, p.stream, p.seq)
	return x
}

func (p *chaosProducer[T]) note(seq uint32, err error) error {
	what := byte(putDone)
	if err != nil {
		what = putFails
	}
	p.write(what, 0, p.stream, seq)
	return err
}

func (p *chaosProducer[T]) one(put func(T) error) error {
	x := p.next()
	p.write(putBegins, 0, p.stream, p.seq)
	return p.note(p.seq, put(x))
}

func (p *chaosProducer[T]) batch(ctx context.Context) error {
	list := make([]T, 1+rand.IntN(4))
	first := p.seq + 1
	for i := range list {
		list[i] = p.next()
		p.write(putBegins, 0, p.stream, p.seq)
	}
	n, err := p.q.PutBatch(ctx, list)
	if (n == len(list)) != (err == nil) {
		tell(fmt.Errorf("PutBatch of %d: %d, %w", len(list), n, err))
	}
	for i := range list {
		if i < n {
			_ = p.note(first+uint32(i), nil)
		} else {
			_ = p.note(first+uint32(i), err)
		}
	}
	return err
}

var errRegret = errors.New("changed its mind")

func (p *chaosProducer[T]) inPlace(ctx context.Context) error {
	p.seq++
	p.write(putBegins, 0, p.stream, p.seq)
	err := p.note(p.seq, p.q.PutFunc(ctx, func(x *T) error {
		p.kit.build(x, p.stream, p.seq)
		if rand.IntN(8) == 0 {
			return errRegret
		}
		return nil
	}))
	if errors.Is(err, errRegret) {
		return nil
	}
	return err
}

func (p *chaosProducer[T]) lent(l queue.Loan[T], err error) error {
	if err != nil {
		return err
	}
	p.seq++
	p.write(putBegins, 0, p.stream, p.seq)
	p.kit.build(l.Value(), p.stream, p.seq)
	if rand.IntN(4) == 0 {
		l.Abandon()
		_ = p.note(p.seq, errRegret)
		return nil
	}
	err = p.note(p.seq, l.Publish())
	l.Abandon()
	return err
}

type chaosConsumer[T any] struct {
	journal
	q   *queue.Queue[T]
	kit kit[T]
}

// run gets in the first so many ways.
func (c *chaosConsumer[T]) run(ctx context.Context, ways int) {
	for ctx.Err() == nil {
		var err error
		switch rand.IntN(ways) {
		case 0:
			err = c.inPlace(ctx)
		case 1, 2:
			err = c.hold(ctx)
		case 3:
			err = c.batch(ctx)
		case 4:
			err = c.one(c.q.TryGet)
		case 5:
			select {
			case <-c.q.Ready():
			case <-ctx.Done():
			}
			err = c.one(c.q.TryGet)
		default:
			err = c.one(func() (T, error) { return c.q.Get(ctx) })
		}
		if err != nil && !errors.Is(err, queue.ErrEmpty) && !errors.Is(err, context.Canceled) {
			tell(err)
		}
	}
}

func (c *chaosConsumer[T]) look(x *T) (stream, seq uint32) {
	stream, seq, err := c.kit.read(x)
	if err != nil {
		tell(err)
	}
	return stream, seq
}

func (c *chaosConsumer[T]) one(get func() (T, error)) error {
	c.write(takeBegin, 0, 0, 1)
	x, err := get()
	if err == nil {
		stream, seq := c.look(&x)
		c.write(got, 0, stream, seq)
	}
	c.write(takeEnd, 0, 0, 0)
	return err
}

func (c *chaosConsumer[T]) batch(ctx context.Context) error {
	list := make([]T, 1+rand.IntN(4))
	c.write(takeBegin, 0, 0, uint32(len(list)))
	n, err := c.q.GetBatch(ctx, list)
	for i := range n {
		stream, seq := c.look(&list[i])
		c.write(got, 0, stream, seq)
	}
	c.write(takeEnd, 0, 0, 0)
	return err
}

func (c *chaosConsumer[T]) inPlace(ctx context.Context) error {
	var stream, seq uint32
	c.write(takeBegin, 1, 0, 1)
	err := c.q.GetFunc(ctx, func(x *T) error {
		stream, seq = c.look(x)
		c.write(received, 0, stream, seq)
		if rand.IntN(4) == 0 {
			c.write(givesBack, 0, stream, seq)
			return errRegret
		}
		c.write(ackBegins, 0, stream, seq)
		return nil
	})
	if err == nil {
		c.write(ackDone, 0, stream, seq)
	}
	if errors.Is(err, errRegret) {
		err = nil
	}
	return err
}

// hold holds up to three deliveries at once and settles them in any order.
func (c *chaosConsumer[T]) hold(ctx context.Context) error {
	var held []queue.Delivery[T]
	for range 1 + rand.IntN(3) {
		c.write(takeBegin, 1, 0, 1)
		d, err := c.q.TryReceive()
		if len(held) == 0 && errors.Is(err, queue.ErrEmpty) {
			c.write(takeBegin, 1, 0, 1)
			d, err = c.q.Receive(ctx)
		}
		if errors.Is(err, queue.ErrEmpty) || errors.Is(err, context.Canceled) {
			break
		}
		if err != nil {
			return err
		}
		stream, seq := c.look(d.Value())
		c.write(received, d.Attempt(), stream, seq)
		held = append(held, d)
	}
	rand.Shuffle(len(held), func(i, k int) { held[i], held[k] = held[k], held[i] })
	for _, d := range held {
		stream, seq := c.look(d.Value())
		if rand.IntN(4) == 0 {
			c.write(givesBack, 0, stream, seq)
			d.Nack()
			if err := d.Ack(); !errors.Is(err, queue.ErrSettled) {
				return fmt.Errorf("an Ack after the Nack: %w", err)
			}
			continue
		}
		c.write(ackBegins, 0, stream, seq)
		if err := d.Ack(); err != nil {
			return err
		}
		c.write(ackDone, 0, stream, seq)
		d.Nack()
	}
	return nil
}
