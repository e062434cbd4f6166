//go:build shmcheck

package ring_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-ipc/shoal/internal/explore"
	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/ring"
)

// drama is a queue, the participants of one play on it, and what they know of
// each message. Messages are single letters, or letters and padding.
type drama struct {
	*bed
	messages map[byte]*fate
	last     map[string]byte // of a consumer and a producer: what came last
	fault    error
	over     bool // somebody was told that there is no more
	repaired bool
}

// fate is what has become of a message.
type fate struct {
	from   uint32
	put    bool   // for sure; else perhaps, if from has died
	got    int    // how often, for sure
	taking uint32 // who was about to end it, 0: nobody
}

func newDrama(t *testing.T, s ring.Spec) *drama {
	return &drama{bed: newBed(t, s), messages: map[byte]*fate{}, last: map[string]byte{}}
}

func (d *drama) wrong(format string, args ...any) {
	if d.fault == nil {
		d.fault = fmt.Errorf(format, args...)
	}
}

// body is a body of participant slot.
func (d *drama) body(name string, slot uint32, f func(p *ring.Port) error) explore.Body {
	p := d.port(slot)
	return explore.Body{Name: fmt.Sprint(name, " ", slot), Slot: slot, Run: func() error { return errors.Join(f(p), d.fault) }}
}

// sent notes that put puts message m.
func (d *drama) sent(slot uint32, m byte, put func() error) error {
	f := &fate{from: slot}
	d.messages[m] = f
	err := put()
	f.put = err == nil
	return orNil(err, ring.ErrFull, ring.ErrShutdown, fs.ErrClosed)
}

// puts is a body that puts each letter of messages, waiting for room if it has to.
func (d *drama) puts(slot uint32, messages string, size int) explore.Body {
	return d.body("producer", slot, func(p *ring.Port) error {
		for _, m := range []byte(messages) {
			if err := d.sent(slot, m, func() error { return p.Put(context.Background(), letter(m, size)) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// tries is puts without waiting.
func (d *drama) tries(slot uint32, messages string, size int) explore.Body {
	return d.body("producer", slot, func(p *ring.Port) error {
		for _, m := range []byte(messages) {
			if err := d.sent(slot, m, func() error { return p.TryPut(letter(m, size)) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// lends is a body that puts messages by way of loans.
func (d *drama) lends(slot uint32, messages string) explore.Body {
	return d.body("builder", slot, func(p *ring.Port) error {
		for i, m := range []byte(messages) {
			l, err := p.TryReserve(ring.Terms{Size: 1, Tag: uint16(i), Lent: true})
			if err != nil {
				return orNil(err, ring.ErrFull, ring.ErrShutdown, fs.ErrClosed)
			}
			if err := d.sent(slot, m, func() error { return p.PublishBytes(l, letter(m, 1)) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// takes is a body that takes n messages, waiting for them.
func (d *drama) takes(slot uint32, n int) explore.Body {
	return d.body("consumer", slot, func(p *ring.Port) error {
		for range n {
			m, err := p.Take(context.Background())
			if err != nil {
				return orNil(err, ring.ErrShutdown, fs.ErrClosed)
			}
			d.finish(slot, p, m)
		}
		return nil
	})
}

// looks is takes without waiting.
func (d *drama) looks(slot uint32, n int) explore.Body {
	return d.body("consumer", slot, func(p *ring.Port) error {
		for range n {
			if m, err := p.TryTake(); err == nil {
				d.finish(slot, p, m)
			}
		}
		return nil
	})
}

// receives is a body that receives a message and acknowledges it, or, with back,
// first gives it back once.
func (d *drama) receives(slot uint32, back int) explore.Body {
	return d.body("receiver", slot, func(p *ring.Port) error {
		for i := range back + 1 {
			m, err := p.TryReceive()
			if err != nil {
				return orNil(err, ring.ErrEmpty, ring.ErrShutdown, fs.ErrClosed)
			}
			d.came(slot, p, m)
			if i < back {
				p.Nack(m)
				continue
			}
			d.ends(slot, p, m, func() error { return p.Ack(m) })
		}
		return nil
	})
}

// came notes that slot got m, in the order of its producer.
func (d *drama) came(slot uint32, p *ring.Port, m ring.Message) {
	b := p.Bytes(m)[0]
	f := d.messages[b]
	if f == nil || m.Attempt() > 1 {
		return
	}
	key := fmt.Sprint(slot, f.from)
	if b < d.last[key] {
		d.wrong("%d got %q after %q", slot, b, d.last[key])
	}
	d.last[key] = b
}

// finish is what is done about a message that slot has taken.
func (d *drama) finish(slot uint32, p *ring.Port, m ring.Message) {
	d.came(slot, p, m)
	d.ends(slot, p, m, func() error { p.Finish(m); return nil })
}

// ends notes the end of a message that slot has, by end.
func (d *drama) ends(slot uint32, p *ring.Port, m ring.Message, end func() error) {
	b := p.Bytes(m)
	f := d.messages[b[0]]
	switch {
	case f == nil:
		d.wrong("%q was never put", b[0])
		return
	case strings.Trim(string(b), string(b[0])) != "":
		d.wrong("%.20q is torn", b)
	case d.over:
		d.wrong("%q came after the end", b[0])
	}
	c := b[0]
	f.taking = slot
	err := end()
	f.taking = 0
	if err == nil {
		d.messages[c].got++
	}
}

func letter(m byte, size int) []byte { return []byte(strings.Repeat(string(m), size)) }

func orNil(err error, ok ...error) error {
	if slices.ContainsFunc(ok, func(e error) bool { return errors.Is(err, e) }) {
		return nil
	}
	return err
}

// repair is what is done about the dead.
func (d *drama) repair(dead []uint32) {
	for _, slot := range dead {
		d.core.Repair(object.Dead{Slot: slot})
		d.core.Repair(object.Dead{Slot: slot, Exited: true})
	}
	d.repaired = true
}

// end is a Finish: what is left is taken, every message came once, and Cap of
// them fit.
func (d *drama) end(dead []uint32) error {
	p := d.port(7)
	for {
		m, err := p.TryTake()
		if err != nil {
			d.mind("draining", orNil(err, ring.ErrEmpty, ring.ErrShutdown))
			break
		}
		d.finish(7, p, m)
	}
	for m, f := range d.messages {
		sure := f.put && (f.taking == 0 || !slices.Contains(dead, f.taking))
		if f.got > 1 || sure && f.got == 0 || f.got == 1 && !f.put && !slices.Contains(dead, f.from) {
			d.wrong("%q: put %v, came %d times", m, f.put, f.got)
		}
	}
	for _, err := range d.core.Check(func(slot uint32) bool { return !slices.Contains(dead, slot) }) {
		d.mind("check", err)
	}
	d.mind("at the end", d.core.AtRest())
	if d.core.Spec().Mode == ring.SPSC {
		for slot := range uint32(4) {
			d.core.Leave(slot) // ends its role
		}
	}
	if n := d.room(p); n >= 0 && n != d.core.Cap() {
		d.wrong("%d messages fit, want %d", n, d.core.Cap())
	}
	if d.fault != nil {
		return fmt.Errorf("%w\n%s", d.fault, d.core.Dump())
	}
	return nil
}

func (d *drama) mind(what string, err error) {
	if err != nil {
		d.wrong("%s: %w", what, err)
	}
}

// room returns how many messages fit, or less than 0 if none may be put any more.
func (d *drama) room(p *ring.Port) int {
	for n := 0; ; n++ {
		switch err := p.TryPut([]byte{'.'}); {
		case err == nil:
		case errors.Is(err, ring.ErrFull):
			return n
		default:
			d.mind("filling", orNil(err, ring.ErrShutdown, fs.ErrPermission))
			return -1
		}
	}
}

func (d *drama) play(bodies ...explore.Body) explore.Play {
	return explore.Play{Bodies: bodies, Repair: d.repair, Finish: d.end}
}

// holds has slot receive so many messages at once, from the start.
func (d *drama) holds(slot uint32, n int) (p *ring.Port, held []ring.Message) {
	p = d.port(slot)
	for range n {
		held = append(held, must(p.TryReceive()))
	}
	return p, held
}

// has puts messages from the start.
func (d *drama) has(messages string) {
	p := d.port(6)
	for _, m := range []byte(messages) {
		d.mind("putting", d.sent(6, m, func() error { return p.TryPut(letter(m, 1)) }))
	}
}
