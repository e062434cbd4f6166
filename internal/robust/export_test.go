package robust

// Bits of the word, for tests that look at it.
const (
	Poisoned = poisoned
	Starving = starving
	Sleepers = sleepers
	Patience = patience
)

// Word returns the word of w.
func (w *Words) Word() uint32 { return w.w.Load() }

// SetWord overwrites the word of w, as another program might.
func (w *Words) SetWord(x uint32) { w.w.Store(x) }

// Slept returns the mark that repair goes by.
func (w *Words) Slept() uint32 { return w.slept.Load() }

// Culprit returns who died holding w.
func (w *Words) Culprit() (slot, generation uint32) { return unpackCulprit(w.culprit.Load()) }

// Scribble overwrites all of w.
func (w *Words) Scribble(x, slept uint32, culprit uint64) {
	w.w.Store(x)
	w.slept.Store(slept)
	w.culprit.Store(culprit)
}

// Nudge wakes the sleepers of this mutex for no reason.
func (m *Mutex) Nudge() { m.point.Wake(1) }

// Mark sets the bits that delay others and make them sleep, as a waiter does.
func (w *Words) Mark() { w.w.Or(starving | sleepers) }
