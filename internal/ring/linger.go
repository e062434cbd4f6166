package ring

// The quicker side of an SPSC queue comes up with the other one again and again: it finds
// the ring full, or empty, waits for one slot, uses it, and waits for the next. Each
// time it looks at, and then writes, lines that the other side is writing, which
// holds up both. So who had to wait first lets the other side get some way ahead; but
// only as long as that one does get on, for nobody waits for a slot that may not
// come. It is a delay before the next attempt and nothing else.
//
// In a queue of many somebody else may do what one who lingers does not, and no time
// was gained: there a consumer looks once, to see whether the message that it waits
// for is one of a stream. If such messages come alone, each is taken as soon as it is
// there (Glance).

const (
	// lingerPut is for how many looks a producer lingers at a full ring, at most.
	// What it is about to put comes behind a ring of messages: nobody misses it yet.
	lingerPut = 32
	// lingerGet is for how many a consumer does at an empty ring, while messages
	// come more quickly than it looks.
	lingerGet = 4
	// loneEnough is after how many messages that came alone a consumer takes the next
	// one at once: they are the questions, or the answers, of round trips. loneAgain is
	// how often it lingers nevertheless, to see whether they are a stream by now.
	loneEnough = 4
	loneAgain  = 32
	// leadPart is the part of the ring that is lead enough: the other side must
	// not come to its end meanwhile.
	leadPart = 4
)

// lead is what who lingers looks at: how far the other side is ahead.
type lead struct {
	ring  *Ring
	pos   uint64 // the next position that must be ready, or there is no hurry to linger
	far   uint64 // once this one is ready it is enough
	state uint64 // of slots that are ready
	looks int
	found bool // the other side got on meanwhile
}

// lingerFull lingers before the next place, and lingerEmpty before the next message,
// unless messages come alone. They report whether they waited at all.
func (p *Port) lingerFull() bool {
	if !p.spsc {
		return false
	}
	l := p.leadOfConsumer()
	return p.notFull.point.Linger(l.grows)
}

func (p *Port) lingerEmpty() bool {
	if n := p.lone.Add(1); n > loneEnough && n%loneAgain != 0 {
		return false
	}
	var l lead
	waited := p.notEmpty.point.Linger(func() bool {
		if l.ring == nil { // not before: nothing is looked at where nobody lingers
			l = p.leadOfProducer()
		}
		return l.grows()
	})
	if l.found {
		p.lone.Store(0)
	}
	return waited
}

func (p *Port) leadOfConsumer() lead {
	return p.leadAt(later(p.writeHint.Load(), p.head.writePos.Load()), free, lingerPut)
}

func (p *Port) leadOfProducer() lead {
	looks := lingerGet
	if !p.spsc {
		looks = 1
	}
	return p.leadAt(later(p.readHint.Load(), p.head.readPos.Load()), full, looks)
}

func (r *Ring) leadAt(pos, state uint64, looks int) lead {
	l := lead{ring: r, pos: pos, state: state, looks: looks}
	i := indexOf(pos)
	if i >= r.n {
		l.looks = 0 // nonsense, which who claims complains of
		return l
	}
	l.far = lapOf(pos)
	if i += r.n / leadPart; i >= r.n {
		i -= r.n
		l.far += 1 << lapShift
	}
	l.far |= uint64(i)
	return l
}

// grows reports whether the other side got on since the last look by one slot or
// more, and is worth another one.
func (l *lead) grows() bool {
	if l.looks == 0 {
		return false
	}
	l.pos = l.ring.next(l.pos)
	if !l.ready(l.pos) {
		return false
	}
	l.found = true
	l.looks--
	return l.looks > 0 && !l.ready(l.far)
}

// ready reports whether the slot of pos is in the state at its own lap, and nobody's.
func (l *lead) ready(pos uint64) bool {
	return l.ring.slots.At(indexOf(pos)).word.Load() == word(lapOf(pos), l.state, 0, 0)
}
