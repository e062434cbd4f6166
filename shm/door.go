package shm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
)

var _ = object.SetDoor(object.Door{
	Create: func(ctx context.Context, seg any, req object.Request) (*object.Use, *object.Object, error) {
		return seg.(*Segment).createObject(ctx, req) //nolint:errcheck // the door's contract
	},
	Open: func(ctx context.Context, seg any, req object.Request) (*object.Use, *object.Object, error) {
		return seg.(*Segment).openObject(ctx, req) //nolint:errcheck // the door's contract
	},
	OpenOrCreate: func(ctx context.Context, seg any, req object.Request) (*object.Use, *object.Object, error) {
		return seg.(*Segment).openOrCreateObject(ctx, req) //nolint:errcheck // the door's contract
	},
	Participant: func(seg any, slot uint32) any {
		u, m := seg.(*Segment).enter() //nolint:errcheck // the door's contract
		if m == nil {
			return Participant{}
		}
		defer object.Unpin(m)
		return u.a.participant(slot)
	},
	Inherit:     inherit,
	AwaitRepair: awaitRepair,
	AwaitRepairIn: func(ctx context.Context, seg any, pid int) error {
		return seg.(*Segment).u.Load().a.awaitRepair(ctx, pid) //nolint:errcheck // the door's contract
	},
	Depart:   depart,
	Heap:     func(spec any) (any, error) { return newHeap(spec.(Spec)) },     //nolint:errcheck // the door's contract
	HeapPeer: func(seg any) (any, error) { return seg.(*Segment).heapPeer() }, //nolint:errcheck // the door's contract
	HeapKill: func(seg any) { seg.(*Segment).heapKill() },                     //nolint:errcheck // the door's contract
})

// newHeap makes a segment on the Go heap and its first participant.
func newHeap(spec Spec) (*Segment, error) {
	spec, err := spec.withDefaults("heap")
	if err != nil {
		return nil, err
	}
	if spec.MaxSize == defaultMaxSize {
		spec.MaxSize = max(spec.Size, 64<<20)
	}
	memory := &heapMemory{region: mem.Heap(spec.MaxSize)}
	fix := spec.fixed(backendHeap)
	v, err := format(memory.region, fix, spec.Size, newIdentity("heap"), time.Now().UnixNano())
	if err != nil {
		return nil, err
	}
	v.header.ready.Store(readyMark)
	return joinHeap(memory, fix)
}

func joinHeap(memory *heapMemory, fix fixed) (*Segment, error) {
	v, err := overlay(memory.region, fix)
	if err != nil {
		return nil, err
	}
	back := &heapBacking{memory: memory, view: v}
	p := newPlace()
	a := newAttachment(keeper{view: v, back: back, place: p}, fileKey{}, fix)
	if err := a.lockKept(context.Background(), a.join); err != nil {
		return nil, err
	}
	return a.begin(p), nil
}

func (s *Segment) heapPeer() (*Segment, error) {
	u, m := s.enter()
	if m == nil {
		return nil, fs.ErrClosed
	}
	defer object.Unpin(m)
	back, ok := u.a.back.(*heapBacking)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return joinHeap(back.memory, u.a.spec.fixed(backendHeap))
}

// heapKill marks the participant dead and repairs what it left.
func (s *Segment) heapKill() {
	u := s.u.Load()
	a := u.a
	a.stopWatch()
	a.giving.Lock() // it lets go of nothing more in a slot that is another one's
	defer a.giving.Unlock()
	a.participants[a.slot-1].word.Or(guardian.OwnerDied)
	for a.dead(a.slot) {
		if err := a.lockKept(context.Background(), func() error { a.repairDead(); return nil }); err != nil {
			panic(fmt.Sprint("shm: heap segment: ", err))
		}
	}
}

// awaitRepair waits until the participants with that process id, of this
// process's pid namespace, are gone from every segment that this process has
// open, and so are all whose process has ended: one of another namespace has a
// number there that nobody here knows, and that others here may bear.
func awaitRepair(ctx context.Context, pid int) error {
	for _, a := range opened.all() {
		if err := a.awaitRepair(ctx, pid); err != nil {
			return err
		}
	}
	return nil
}

func (a *attachment) awaitRepair(ctx context.Context, pid int) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		m := a.pin() // anew: once it is closed here, nobody here repairs it
		if m == nil {
			return nil
		}
		there := a.hasProcess(pid)
		object.Unpin(m)
		if !there {
			return nil
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
	}
}

// hasProcess reports whether a participant is that process, or is dead.
func (a *attachment) hasProcess(pid int) bool {
	for s := uint32(1); s <= a.highest(); s++ {
		if !a.taken(s) {
			continue
		}
		p := &a.participants[s-1]
		if a.dead(s) || int(p.pid.Load()) == pid && p.namespace.Load() == self().namespace || a.exited(s) {
			return true
		}
	}
	return false
}

// inherit keeps a descriptor that the parent process gave for the segment that
// text names.
func inherit(text []byte, f *os.File) error {
	t, err := parseText(string(text))
	if err != nil {
		return errors.Join(err, f.Close())
	}
	opened.mu.Lock()
	defer opened.mu.Unlock()
	if old := opened.inherited[t.id]; old != nil {
		return f.Close()
	}
	opened.inherited[t.id] = f
	return nil
}
