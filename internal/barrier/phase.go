package barrier

// phase is the value of header.phase:
//
//	bits  0..14  how many have arrived
//	bit      15  broken
//	bits 16..31  era: how often the barrier was made as new, modulo 2^16
//	bits 32..63  round: how many generations were passed, modulo 2^32
type phase uint64

const (
	oneArrival  = 1
	arrivedMask = 1<<15 - 1
	brokenBit   = 1 << 15
	eraShift    = 16
	eraMask     = 1<<16 - 1
	oneRound    = 1 << 32

	// maxParties is how many parties a barrier can have.
	maxParties = arrivedMask
)

// generation is an era and a round: a phase without its low 16 bits.
type generation uint64

func (p phase) arrived() int           { return int(p & arrivedMask) }
func (p phase) broken() bool           { return p&brokenBit != 0 }
func (p phase) generation() generation { return generation(p >> eraShift) }

// nextRound is p after the last arrival.
func (p phase) nextRound() phase { return (p + oneRound) &^ (arrivedMask | brokenBit) }

// nextEra is p after Reset.
func (p phase) nextEra() phase {
	g := p.generation()
	return phase(uint64(g.round())<<32 | uint64(g.era()+1)<<eraShift)
}

func (g generation) era() uint16   { return uint16(g) }
func (g generation) round() uint32 { return uint32(g >> eraShift) }

// joins is the word of joined for g.
func (g generation) joins() uint64 { return uint64(g)<<1 | 1 }

// joinedBits are those that a word of joined has.
const joinedBits = 1<<49 - 1

// ending is the word of ended for an era that was broken in g.
func (g generation) ending() uint64 { return uint64(g.round())<<32 | uint64(g.era())<<1 | 1 }

// readEnding returns what ending put into x.
func readEnding(x uint64) (era uint16, round uint32, ok bool) {
	return uint16(x >> 1), uint32(x >> 32), x&1 != 0
}
