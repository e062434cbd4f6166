package permit

// The words of a semaphore, bit by bit.

// tally is header.tally of a Bounded semaphore. One compare-and-swap of it takes
// or returns permits and says who did so:
//
//	bits   0..23  number   of the change, of slot's own count
//	bits  24..35  slot     participant that the change is of; 0: nobody's
//	bits  36..44  change   permits that slot returned since its last booking, less those it took, plus 256
//	bit       45  sealed   the change is final: anyone may book it
//	bits  46..63  free     permits that nobody holds
//
// A change is pending while the account of its slot has the number before it,
// and booked when the account has its number. While it is not sealed, its own
// participant may add to it; it is booked only when it is sealed, and another
// takes its place only when it is booked.
//
// Hence at all times: free + the sum of the accounts - a pending change = the
// permits of the semaphore.
type tally uint64

const (
	numberMask  = 1<<24 - 1
	slotShift   = 24
	slotMask    = 1<<12 - 1
	changeShift = 36
	changeMask  = 1<<9 - 1
	changeBias  = 256
	sealedBit   = 1 << 45
	freeShift   = 46

	// maxChange bounds a pending change, in both directions.
	maxChange = 255
	// onePermit, added to a tally, returns one permit within the pending change.
	onePermit = 1<<freeShift + 1<<changeShift
)

// newTally returns a tally with a change that is not sealed.
func newTally(free, change int64, slot, number uint32) tally {
	return tally(free)<<freeShift | tally(change+changeBias)<<changeShift |
		tally(slot)<<slotShift | tally(number&numberMask)
}

func (t tally) free() int64    { return int64(t >> freeShift) }
func (t tally) change() int64  { return int64(t>>changeShift&changeMask) - changeBias }
func (t tally) slot() uint32   { return uint32(t >> slotShift & slotMask) }
func (t tally) number() uint32 { return uint32(t & numberMask) }
func (t tally) sealed() bool   { return t&sealedBit != 0 }

// open reports whether slot may add to the change.
func (t tally) open(slot uint32) bool {
	return t&(slotMask<<slotShift|sealedBit) == tally(slot)<<slotShift
}

// add returns t with n more permits returned (or taken, if negative) by its slot.
func (t tally) add(n int64) tally { return t + tally(n)*onePermit }

// entry is account.entry:
//
//	bits   0..31  held     permits
//	bits  32..63  number   of the last change booked
type entry uint64

func newEntry(held int64, number uint32) entry { return entry(number)<<32 | entry(uint32(held)) }

func (e entry) held() int64    { return int64(uint32(e)) }
func (e entry) number() uint32 { return uint32(e >> 32) }

// pending reports whether the change of t, which is of e's slot, is not yet in e.
func (e entry) pending(t tally) bool { return (e.number()+1)&numberMask == t.number() }

// net returns what the slot of e and t holds: its entry, less what it returned since.
func (e entry) net(t tally) int64 {
	if e.pending(t) {
		return e.held() - t.change()
	}
	return e.held()
}

// book returns e with the pending change of t.
func (e entry) book(t tally) entry { return newEntry(e.held()-t.change(), e.number()+1) }

// stock is header.tally of a Signal semaphore:
//
//	bits   0..31  free      permits that anybody may take
//	bits  32..63  reserved  permits that the owner of bulk has put aside
type stock uint64

func newStock(free, reserved int64) stock { return stock(reserved)<<32 | stock(uint32(free)) }

func (s stock) free() int64     { return int64(uint32(s)) }
func (s stock) reserved() int64 { return int64(s >> 32) }

// claim is header.queue: a participant that has waited long, for whom newcomers
// leave some permits.
//
//	bits   0..11  slot    0: nobody
//	bits  12..31  need    how many permits it is short of
//	bits  32..63  number  of claims so far: tells one claim from the next
type claim uint64

const (
	needShift = 12
	needMask  = 1<<20 - 1
)

// next returns the claim after c.
func (c claim) next(slot uint32, need int64) claim {
	return c.none() + 1<<32 | claim(min(need, needMask))<<needShift | claim(slot)
}

// none returns c without a claimant.
func (c claim) none() claim { return c &^ (1<<32 - 1) }

func (c claim) slot() uint32 { return uint32(c & slotMask) }
func (c claim) need() int64  { return int64(c >> needShift & needMask) }
