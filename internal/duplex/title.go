package duplex

import "fmt"

// title is end.owner: whose the end is.
//
//	bits   0..11  slot     participant that has it, or that gave it away; 0: nobody yet
//	bits  12..14  state    see below
//	bit       15  half     its process writes no more (CloseWrite)
//	bits  16..63  tenure   how often it has changed hands
//
//	fresh -> held                  whoever makes the pipe has both ends
//	held -> given                  on its way to a child: nobody's to use
//	held, given -> held            taken over: the tenure grows, slot is another one
//	held -> closed                 by its process
//	held, given -> lost            its process died, or who gave it away; or the child did before it took it
//
// closed and lost are for ever.
type title uint64

const (
	fresh = iota
	held
	given
	closed
	lost
	states
)

const (
	slotMask    = 1<<12 - 1
	stateShift  = 12
	stateMask   = 1<<3 - 1
	halfBit     = 1 << 15
	tenureShift = 16
)

// newTitle returns a title with all of its fields but half.
func newTitle(slot uint32, state, tenure uint64) title {
	return title(tenure<<tenureShift | state<<stateShift | uint64(slot))
}

func (t title) slot() uint32   { return uint32(t & slotMask) }
func (t title) state() uint64  { return uint64(t >> stateShift & stateMask) }
func (t title) tenure() uint64 { return uint64(t >> tenureShift) }
func (t title) half() bool     { return t&halfBit != 0 }

// heldBy reports whether the end is slot's to use.
func (t title) heldBy(slot uint32) bool { return t.state() == held && t.slot() == slot }

// from reports whether the end is slot's, in use or given away.
func (t title) from(slot uint32) bool {
	return t.slot() == slot && (t.state() == held || t.state() == given)
}

// over reports whether nobody can ever use the end again.
func (t title) over() bool { return t.state() >= closed }

// mute reports whether nothing more will be written by the end.
func (t title) mute() bool { return t.over() || t.half() }

// as returns t with another state.
func (t title) as(state uint64) title {
	return t&^(stateMask<<stateShift) | title(state<<stateShift)
}

// next returns t for another owner and state: the tenure grows.
func (t title) next(slot uint32, state uint64) title {
	return newTitle(slot, state, t.tenure()+1) | t&halfBit
}

// String is for people.
func (t title) String() string {
	switch t.state() {
	case fresh:
		return "nobody's"
	case held:
		return fmt.Sprintf("held by %d", t.slot())
	case given:
		return fmt.Sprintf("given away by %d", t.slot())
	case closed:
		return "closed"
	case lost:
		return "lost"
	}
	return fmt.Sprintf("state %d", t.state())
}
