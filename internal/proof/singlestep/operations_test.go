//go:build linux && amd64 && !shmcheck && !race

package singlestep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	"github.com/shoal-ipc/shoal/shm"
)

// operation is one that children are killed in.
type operation struct {
	name string
	lay  func(ctx context.Context, seg *shm.Segment) (subject, error) // in the parent, which makes the objects
	open func(ctx context.Context, seg *shm.Segment) (deed, error)    // in the child
	full int                                                          // the effect of all of it
	hot  bool                                                         // each instruction is tried in a full run
	once bool                                                         // its course depends on what was before: each child gets objects that are new
	// sleeps: the thread waits for the survivor in the middle of it, and for the
	// scheduler, so that the child's other threads run, and it is not the same twice.
	sleeps bool
}

// subject is the objects that an operation works on, as a survivor sees them.
type subject interface {
	// fill brings the objects into the state in which the child finds them: it has
	// warmed up, and has not yet done what comes before the operation.
	fill(ctx context.Context) error
	// meet lets the survivor begin to wait, if it has to. The child stands before
	// the operation.
	meet(ctx context.Context) error
	// judge verifies what a dead process left behind, and that a survivor can work
	// with it. It says how far the operation has taken effect: from 0, not at all.
	judge(ctx context.Context, d shm.Death) (effect int, err error)
}

// empty is the part of subjects that need not be filled.
type empty struct{}

func (empty) fill(context.Context) error { return nil }

// deed is what a child does: what it begins with, and then the operation.
type deed struct {
	warm   func() error // the operation and its opposite, so that nothing happens for the first time
	before func() error // may be nil
	do     func() error
}

// operations returns those of the library; the hot ones also as the first thing
// that a process does, when caches and pools are empty and pages are not there.
func operations() []operation {
	warm := slices.Concat(mutexOperations(), semaphoreOperations(), valueOperations(), arrayOperations(),
		queueOperations(), eventOperations(), recoverOperations(), rwOperations(), meetingOperations(), tableOperations(), mapOperations(), pipeOperations(), sleepingOperations())
	all := warm
	for _, op := range warm {
		if !op.hot {
			continue
		}
		open := op.open
		op.name += "/first"
		op.hot, op.once = false, false
		op.open = func(ctx context.Context, seg *shm.Segment) (deed, error) {
			d, err := open(ctx, seg)
			d.warm = func() error { return nil }
			return d, err
		}
		all = append(all, op)
	}
	// Not as the first thing: the child that says where its instructions are has the roles.
	return append(all, pairOperations()...)
}

// find returns an operation by its name.
func find(name string) (operation, error) {
	for _, op := range append(operations(), planted()...) {
		if op.name == name {
			return op, nil
		}
	}
	return operation{}, fmt.Errorf("no operation %q", name)
}

// held returns how many things of a kind a process held when it died.
func held(d shm.Death, kind string) int {
	n := 0
	for _, h := range d.Held {
		if h.Kind == kind {
			n += h.Count
		}
	}
	return n
}

// sleeper is a call of the survivor that waits when the operation begins.
type sleeper chan error

// sleep makes the call in a goroutine and returns when it waits.
func sleep(ctx context.Context, seg *shm.Segment, call func() error) (sleeper, error) {
	s := make(sleeper, 1)
	go func() { s <- call() }()
	for ctx.Err() == nil {
		holds, err := seg.Holds()
		if err != nil {
			return s, err
		}
		if slices.ContainsFunc(holds, func(h shm.Hold) bool { return h.Waiting && h.Participant.PID == os.Getpid() }) {
			return s, nil
		}
		runtime.Gosched()
	}
	return s, errors.New("the survivor does not get to wait")
}

// end returns what came of the call.
func (s sleeper) end(ctx context.Context) error {
	select {
	case err := <-s:
		return err
	case <-ctx.Done():
		return errors.New("the survivor waits for ever")
	}
}
