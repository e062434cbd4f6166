package shm

import (
	"fmt"
	"io/fs"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// A file of a segment never becomes shorter by what a segment does, but anybody
// who may write to it can truncate it; a sealed memory file excepted. Then the
// memory is lost: see docs/decisions/0008.

// beware has the segment lost when its memory is. The caller has just opened it.
func (a *attachment) beware() {
	_ = a.shrunk() // notes how long the file is
	a.back.onLoss(a.lose)
}

// shrunk reports whether the file has become shorter than the segment was.
func (a *attachment) shrunk() bool {
	if a.measure == nil {
		return false
	}
	floor := a.floor.Load()
	there, err := a.measure()
	if err != nil {
		return false
	}
	if there < floor {
		return true
	}
	// The size never decreases; the header may say anything.
	if size := min(int64(a.header.size.Load()), there); size > floor {
		a.floor.CompareAndSwap(floor, size)
	}
	return false
}

// sound returns an error if the memory is lost.
func (a *attachment) sound() error {
	if a.shrunk() {
		a.lose()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.lost == nil {
		return nil
	}
	return corruptSegment(a.label, a.lost)
}

func (a *attachment) isLost() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.lost != nil
}

// lose ends what this process can do with a segment whose memory is not, or not
// wholly, the file's any more. Calls return a *CorruptError from now on, also
// those that wait; who opens the segment by its name looks at the file anew.
func (a *attachment) lose() {
	there, err := a.measure()
	a.mu.Lock()
	m := a.mapping
	if m == nil || a.lost != nil {
		a.mu.Unlock()
		return
	}
	a.lost = &mem.Corruption{Field: "size", Offset: -1, Got: fmt.Sprint(there), Want: fmt.Sprint(a.floor.Load())}
	if err != nil || there >= a.floor.Load() { // it is long enough again, or could not be read
		a.lost.Got = "memory that was lost"
	}
	a.watched = nil
	for u := range a.uses {
		u.Lose(a.lost) // first: what is taken from the zeros is given back
	}
	a.mu.Unlock() // from now on whoever knows of the loss is told so by every call
	opened.drop(a)
	if a.slot != 0 {
		a.stopWatch()
	}
	_ = a.back.blank(there)
	if a.slot != 0 {
		a.place.lets(a.slot) // its lock may end here
		_ = a.member.Shrunk(there)
	}
	// Last: those asleep, on words that nobody can reach, go on with the zeros.
	sys.Rouse()
	object.Unpin(m)
}

// firstSegment is newSegment for a use that nobody has yet.
func firstSegment(u *use) *Segment {
	u.Party.Strayed = u.a.hit
	return newSegment(u)
}

// hit reports whether memory turned out to be lost, and has the segment lost then.
func (a *attachment) hit() bool {
	if !a.back.hit() {
		return false
	}
	a.lose()
	return true
}

// gone says why a segment cannot be used.
func (u *use) gone() error {
	if u != nil {
		if why := u.Lost(); why != nil {
			return corruptSegment(u.a.label, why)
		}
	}
	return fs.ErrClosed
}

// watched is an attachment as the guardian sees it.
type watched struct{ a *attachment }

// Words is what the guardian sleeps on for this segment.
func (w watched) Words(buf []guardian.Word) []guardian.Word { return w.a.Words(buf) }

// Look is the attachment's, if there still is something to look at.
func (w watched) Look() {
	if w.a.sound() == nil {
		w.a.Look()
	}
}
