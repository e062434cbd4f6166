//go:build linux

package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"

	"github.com/shoal-ipc/shoal/array"
	"github.com/shoal-ipc/shoal/lock"
	"github.com/shoal-ipc/shoal/queue"
	"github.com/shoal-ipc/shoal/semaphore"
	"github.com/shoal-ipc/shoal/shm"
	"github.com/shoal-ipc/shoal/value"
)

// builder makes objects and removes them again, its own and others', so that the
// segments grow; and whole segments too.
type builder struct {
	parks []*park
	account
	r      *rand.Rand
	dir    string
	number int // of the child
	made   int
}

// passing begins the names of what builders make.
const passing = "passing/"

// mostPassing is how many of such objects there should be in a segment.
const mostPassing = 30

func (b *builder) step(ctx context.Context) error {
	p := b.parks[b.r.IntN(len(b.parks))]
	switch b.r.IntN(6) {
	case 0:
		return b.side(ctx)
	case 1, 2:
		return b.meddle(ctx, p.seg)
	}
	b.made++
	return b.build(ctx, p.seg, fmt.Sprintf("%s%d-%d", passing, b.number, b.made))
}

// build makes an object, uses it and sometimes removes it at once.
func (b *builder) build(ctx context.Context, seg *shm.Segment, name string) error {
	var err error
	switch b.r.IntN(5) {
	case 0:
		var q *queue.Queue[[]byte]
		q, err = queue.Create[[]byte](ctx, seg, name, queue.Spec{
			Cap: 1 + b.r.IntN(8), SlotSize: 64, MaxSize: 1000, Heap: 1000 + b.r.IntN(200_000),
		})
		if err == nil {
			err = b.use(q)
		}
	case 1:
		var a *array.Array[uint64]
		a, err = array.Create[uint64](ctx, seg, name, array.Spec{Len: 1 + b.r.IntN(100_000)})
		if err == nil {
			err = b.fill(a)
		}
	case 2:
		_, err = value.Create(ctx, seg, name, chapterOf(1))
	case 3:
		_, err = lock.CreateMutex(ctx, seg, name, lock.Spec{})
	case 4:
		_, err = semaphore.Create(ctx, seg, name, semaphore.Spec{Permits: 1})
	}
	if err != nil || b.r.IntN(3) == 0 {
		return err
	}
	return gone(seg.Remove(ctx, name))
}

// gone lets it pass that an object is not there (any more).
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fill fills an array that nobody else writes.
func (b *builder) fill(a *array.Array[uint64]) error {
	n := a.Len()
	if x := a.At(n - 1); x != 0 {
		return wrong("a new array has %x at %d", x, n-1)
	}
	for i := 0; i < n; i += 512 {
		a.Set(i, uint64(n))
	}
	for i := 0; i < n; i += 512 {
		if x := a.At(i); x != uint64(n) {
			return wrong("an array of %d has %x at %d", n, x, i)
		}
	}
	return nil
}

// use puts into a queue that anybody may use, and gets from it.
func (b *builder) use(q *queue.Queue[[]byte]) error {
	for range 3 {
		x := bytes.Repeat([]byte{byte(b.r.IntN(256))}, 1+b.r.IntN(1000))
		if err := q.TryPut(x); err != nil {
			return err
		}
		x, err := q.TryGet()
		if err != nil {
			return err
		}
		if len(x) == 0 || !bytes.Equal(x, bytes.Repeat(x[:1], len(x))) {
			return wrong("a message of %d bytes is garbled", len(x))
		}
	}
	return nil
}

// meddle uses an object that somebody made, and removes one if there are many.
func (b *builder) meddle(ctx context.Context, seg *shm.Segment) error {
	objects, err := seg.Objects()
	if err != nil {
		return err
	}
	var list []shm.Object
	for _, o := range objects {
		if strings.HasPrefix(o.Name, passing) {
			list = append(list, o)
		}
	}
	if len(list) == 0 {
		return nil
	}
	o := list[b.r.IntN(len(list))]
	if o.Kind == "queue" {
		q, err := queue.Open[[]byte](ctx, seg, o.Name)
		if err == nil {
			err = b.use(q)
		}
		if gone(err) != nil {
			return err
		}
	}
	if len(list) > mostPassing || b.r.IntN(4) == 0 {
		return gone(seg.Remove(ctx, o.Name))
	}
	return nil
}

// side makes or opens a segment that ends with its last user.
func (b *builder) side(ctx context.Context) (err error) {
	opts := &shm.Options{Dir: b.dir}
	if b.r.IntN(8) == 0 {
		_, err = shm.Prune(ctx, opts)
		return err
	}
	name := fmt.Sprint("side-", b.r.IntN(3))
	seg, err := shm.OpenOrCreate(ctx, name, shm.Spec{Participants: 64, Size: 64 << 10, MaxSize: 8 << 20}, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, seg.Close()) }()
	a, err := value.OpenOrCreateAtomic[int64](ctx, seg, "users", 0)
	if err != nil {
		return err
	}
	a.Add(1)
	return nil
}
