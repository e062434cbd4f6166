//go:build linux && shmcheck

package killsweep

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/shoal-ipc/shoal/shm"
)

// A stage is what operations of one kind are run on: a segment with an object.
type stage struct {
	name string
	part int      // of the table
	spec shm.Spec // of the segment; zero fields as in segmentSpec
	// make makes the objects; nil if the world's begin does it.
	make func(ctx context.Context, seg *shm.Segment) error
	// open is how a process gets at them.
	open func(ctx context.Context, p place) (world, error)
	// fresh stages are made anew for each kill.
	fresh bool
	// joint stages need the survivor from the beginning: it cannot leave the victim
	// alone and come back when somebody else has repaired.
	joint bool
	// deep stages have who repairs killed at many steps, in a full run.
	deep       bool
	operations []*operation
	// peers are the operations of which other processes are in the middle while
	// the victim dies. They hold nothing at their end, and need no relief.
	peers []string
}

// place is where a stage is, for one process.
type place struct {
	seg  *shm.Segment // nil in a bare operation
	opts *shm.Options
}

// world is a stage as one process sees it. The surviving one calls these methods,
// while no other process is inside of an operation.
type world interface {
	// begin brings the stage into a state.
	begin(ctx context.Context, state string) error
	// state takes down the state, or what is wrong. It need not leave it so.
	state(ctx context.Context) (string, error)
	// work does everything that a survivor may want to do, from what state left.
	work(ctx context.Context) error
}

// operation is what a victim is killed in.
type operation struct {
	name   string
	covers []string // names of the API, as "lock.Mutex.Lock"
	begin  string   // state of the stage before
	// first is an operation that another process does before, and dies of.
	first string
	// before runs in the victim, and is not what it is killed in. It leaves from.
	before func(ctx context.Context, w world) error
	from   string // empty: begin
	do     func(ctx context.Context, w world) (said string, err error)
	// moves say what do does to the state, each at one instant.
	moves []move
	dies  move // what the end of a process gives back; nil: nothing
	// beside is an operation in which another process waits when this one begins.
	beside string
	// two: there are two such processes.
	two bool
	// relief is what the surviving process does so that nobody waits for ever.
	relief *relief
	// bare: the process has the segment not open.
	bare bool
	// everywhere: the steps of all threads count, not only of the one that runs do.
	everywhere bool
	// light: the machinery below is that of another operation; a bounded run tries
	// fewer points.
	light bool
	// variant: the same machinery is swept in full by another row, or the operation
	// only looks; here some points do, also in a full run.
	variant bool
}

type relief struct {
	moves []move
	do    func(ctx context.Context, w world, h *hand) error
}

// turn is one outcome of a move: the next state, and what the operation returned.
type turn struct {
	state, said string
	over        bool // the operation ends, without its further moves
}

// move returns what may come of state, when the process called me ("v" for the
// victim, "p" for the other one) makes the move; nothing if it has to wait.
type move func(state, me string) []turn

func (o *operation) start() string {
	if o.from != "" {
		return o.from
	}
	return o.begin
}

// becomes is a move from one state to another, for those who may make it.
func becomes(pairs ...string) move {
	return func(state, _ string) []turn {
		for i := 0; i < len(pairs); i += 2 {
			if state == pairs[i] {
				return []turn{{state: pairs[i+1]}}
			}
		}
		return nil
	}
}

// says is a move that changes nothing and returns the state.
func says(state, _ string) []turn { return []turn{{state: state, said: state}} }

// stays is a move that changes nothing.
func stays(state, _ string) []turn { return []turn{{state: state}} }

// on makes an operation of the table of a function on one kind of world.
func on[W world](f func(ctx context.Context, w W) (string, error)) func(context.Context, world) (string, error) {
	return func(ctx context.Context, w world) (string, error) {
		x, ok := w.(W)
		if !ok {
			return "", fmt.Errorf("the operation is not for a %T", w)
		}
		return f(ctx, x)
	}
}

// quietly is on for a function that returns nothing but an error.
func quietly[W world](f func(ctx context.Context, w W) error) func(context.Context, world) (string, error) {
	return on(func(ctx context.Context, w W) (string, error) { return "", f(ctx, w) })
}

// prior is on for operation.before.
func prior[W world](f func(ctx context.Context, w W) error) func(context.Context, world) error {
	do := quietly(f)
	return func(ctx context.Context, w world) error {
		_, err := do(ctx, w)
		return err
	}
}

// relieve is on for relief.do.
func relieve[W world](f func(ctx context.Context, w W) error) func(context.Context, world, *hand) error {
	do := quietly(f)
	return func(ctx context.Context, w world, _ *hand) error {
		_, err := do(ctx, w)
		return err
	}
}

// names splits what an operation covers.
func names(list string) []string { return strings.Fields(list) }

func (s *stage) operation(name string) (*operation, error) {
	i := slices.IndexFunc(s.operations, func(o *operation) bool { return o.name == name })
	if i < 0 {
		return nil, fmt.Errorf("stage %q has no operation %q", s.name, name)
	}
	return s.operations[i], nil
}

func stageOf(list []*stage, name string) (*stage, error) {
	i := slices.IndexFunc(list, func(s *stage) bool { return s.name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no stage %q", name)
	}
	return list[i], nil
}

// segmentName is what the segment of every stage is called.
const segmentName = "s"

func (s *stage) segmentSpec() shm.Spec {
	spec := s.spec
	if spec.Participants == 0 {
		spec.Participants = 16
	}
	if spec.MaxSize == 0 {
		spec.MaxSize = 64 << 20
	}
	if spec.Lifetime == 0 {
		spec.Lifetime = shm.Persistent
	}
	return spec
}
