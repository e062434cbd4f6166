package duplex

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"runtime"
	"slices"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/robust"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/wait"
)

// End is this process's use of one end of a pipe. Its methods may be called at
// once by any number of goroutines; those that say so pin the mapping themselves.
// It is of use while the end belongs to this process, else its methods fail with
// an error that is fs.ErrClosed.
type End struct {
	core   *Core
	use    *object.Use
	object *object.Object // keeps the object's memory from being used for another
	slot   uint32
	which  int
	owner  *satomic.Uint64 // title of this end
	peer   *satomic.Uint64 // title of the other one
	out    side
	in     side
}

// side is one direction as an end sees it: in one it writes, in the other it reads.
type side struct {
	way   *way
	ring  []byte
	mask  uint64
	lock  *robust.Mutex // pen or eye
	point *wait.Point
	bell  *satomic.Uint32 // on which this side sleeps
	other *satomic.Uint32 // on which the other side does
	line  *line
}

// New returns the process's use of end which, 0 or 1, of the pipe obj.
func New(use *object.Use, obj *object.Object, which int) (*End, error) {
	core, err := Attach(obj.Region, obj.Shape)
	if err != nil {
		return nil, err
	}
	if use.ReadOnly {
		return nil, fmt.Errorf("pipe: segment is open read-only: %w", fs.ErrPermission)
	}
	if use.Slot > obj.Shape.Slots || which < 0 || which >= len(ends) {
		return nil, fmt.Errorf("pipe: end %d of participant %d: %w", which, use.Slot, fs.ErrInvalid)
	}
	e := &End{
		core: core, use: use, object: obj, slot: use.Slot, which: which,
		owner: &core.head.ends[which].owner, peer: &core.head.ends[1-which].owner,
	}
	out, in := &core.head.ways[which], &core.head.ways[1-which]
	e.out = side{way: out, ring: core.rings[which], bell: &out.room, other: &out.data, lock: robust.New(&out.pen, policy, use, obj)}
	e.in = side{way: in, ring: core.rings[1-which], bell: &in.data, other: &in.room, lock: robust.New(&in.eye, policy, use, obj)}
	for name, s := range map[string]*side{"out": &e.out, "in": &e.in} {
		s.mask = uint64(len(s.ring) - 1)
		s.point = obj.Point(s.bell)
		shared := obj.Local(fmt.Sprintf("pipe %s %d of %d", name, which, e.slot), func() any { return newLine() })
		s.line = shared.(*line) //nolint:errcheck // made above
	}
	return e, nil
}

// Number returns the number of the end with that name, -1 if there is none.
func Number(name string) int { return slices.Index(ends[:], name) }

// Which returns the name of the end, "a" or "b".
func (e *End) Which() string { return ends[e.which] }

// Other returns the name of the other end.
func (e *End) Other() string { return ends[1-e.which] }

// Pin keeps the mapping until Unpin; nil if the segment is closed.
func (e *End) Pin() *object.Mapping { return e.use.Pin() }

// Spec returns the geometry of the pipe.
func (e *End) Spec() Spec { return Unpack(e.object.Shape.Spec) }

// gone is why an end is not this process's to use. It is fs.ErrClosed, and
// net.ErrClosed, which those look for who were given a net.Conn.
type gone string

func (g gone) Error() string { return string(g) }

// Is says which errors a gone is.
func (g gone) Is(target error) bool { return target == fs.ErrClosed || target == net.ErrClosed }

// What fails when the end is not this process's to use.
var (
	// ErrClosed says that the end is nobody's.
	ErrClosed error = gone("pipe: this end is closed")

	errMoved error = gone("pipe: this end belongs to another process")
)

// refusal says why this process may not use the end.
func (e *End) refusal(t title) error {
	switch {
	case e.use.Closed():
		return fs.ErrClosed
	case t.state() >= states:
		return mem.Corrupt("pipe.owner", int64(e.which)*mem.CacheLine, t, "a state")
	case t.over():
		return ErrClosed
	}
	return errMoved
}

// mayWrite fails if this end cannot write, or nobody can read.
func (e *End) mayWrite() error {
	t := title(e.owner.Load()) // pairs with: duplex.owner (take, Give, change, lose)
	switch {
	case !t.heldBy(e.slot):
		return e.refusal(t)
	case t.half(), title(e.peer.Load()).over():
		return io.ErrClosedPipe
	}
	return nil
}

// mayRead fails if this end cannot read.
func (e *End) mayRead() (title, error) {
	t := title(e.owner.Load())
	if !t.heldBy(e.slot) {
		return t, e.refusal(t)
	}
	return t, nil
}

// Mine fails if the end is not this process's to use.
func (e *End) Mine() error {
	m := e.use.Pin()
	if m == nil {
		return fs.ErrClosed
	}
	_, err := e.mayRead()
	object.Unpin(m)
	runtime.KeepAlive(e)
	return err
}

// tryEnter locks the side if nobody of this process waits for its turn. Whoever
// does is in the middle of something, perhaps.
func (s *side) tryEnter() (bool, error) {
	if s.line.length.Load() != 0 {
		return false, nil
	}
	if err := s.lock.TryLock(); err != nil {
		if errors.Is(err, robust.ErrLocked) {
			err = nil
		}
		return false, err
	}
	if s.line.length.Load() != 0 {
		s.lock.Drop()
		return false, nil
	}
	return true, nil
}

// space returns where the next byte goes and for how many there is room, which it
// finds out if they are less than need. The caller has pen.
func (e *End) space(need uint64) (pos, room uint64, err error) {
	s, limit := &e.out, e.core.limit
	pos = s.way.writePos.Load()
	used := pos - s.line.seen
	if used > limit || limit-used < need {
		s.line.seen = s.way.readPos.Load() // pairs with: duplex.readPos (advance)
		used = pos - s.line.seen
		if used > limit {
			return 0, 0, e.misplaced(e.which, used)
		}
	}
	return pos, limit - used, nil
}

// available returns where the next byte is and how many there are, which it finds
// out if they are less than need. The caller has eye.
func (e *End) available(need uint64) (pos, n uint64, err error) {
	s, limit := &e.in, e.core.limit
	pos = s.way.readPos.Load()
	n = s.line.seen - pos
	if n > limit || n < need {
		s.line.seen = s.way.writePos.Load() // pairs with: duplex.writePos (publish)
		n = s.line.seen - pos
		if n > limit {
			return 0, 0, e.misplaced(1-e.which, n)
		}
	}
	return pos, n, nil
}

// misplaced reports positions of direction i that no correct process leaves.
func (e *End) misplaced(i int, under uint64) error {
	return mem.Corrupt("pipe.writePos", wayAt(i), fmt.Sprintf("%d bytes under way", int64(under)), fmt.Sprintf("0 to %d", e.core.limit))
}

// publishMine is publish for who writes, and has copied n bytes: meanwhile the end
// may have been given away, or closed without pen (see change). Then it fails, since
// the reader may have been told that nothing more will come.
func (e *End) publishMine(pos, n uint64) error {
	err := e.mayWrite()
	if err == nil {
		e.publish(pos, n)
	}
	return err
}

// publish makes the n bytes from pos on the reader's. The caller has pen.
func (e *End) publish(pos, n uint64) {
	e.object.Sync.Release()
	e.out.way.writePos.Store(pos + n) // commit; pairs with: duplex.writePos (available)
}

// advance gives the n bytes from pos on back to the writer. The caller has eye.
func (e *End) advance(pos, n uint64) {
	e.object.Sync.Acquire()
	e.in.way.readPos.Store(pos + n) // commit; pairs with: duplex.readPos (space)
}

// put copies b into the ring at pos.
func (s *side) put(pos uint64, b []byte) {
	satomic.Step()
	n := copy(s.ring[pos&s.mask:], b)
	copy(s.ring, b[n:])
	satomic.Step()
}

// get fills b from the ring at pos.
func (s *side) get(pos uint64, b []byte) {
	satomic.Step()
	n := copy(b, s.ring[pos&s.mask:])
	copy(b[n:], s.ring)
	satomic.Step()
}
