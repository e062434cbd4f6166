//go:build linux && shmcheck

package killsweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// hand is the surviving process of one sweep, which sets the stage, has a victim
// killed there, and looks at the books.
type hand struct {
	stage   *stage
	nursery *nursery
	top     string // its directories lie there
	rounds  int
	dir     string
	opts    *shm.Options
	seg     *shm.Segment
	world   world
	peers   []*process // kept from one round to the next
}

// set sets the stage anew.
func (h *hand) set(ctx context.Context) error {
	h.rounds++
	h.dir = filepath.Join(h.top, fmt.Sprint(h.rounds))
	h.opts = &shm.Options{Dir: h.dir}
	if err := os.Mkdir(h.dir, 0o700); err != nil {
		return err
	}
	seg, err := shm.Create(ctx, segmentName, h.stage.segmentSpec(), h.opts)
	if err != nil {
		return err
	}
	if h.stage.make != nil {
		if err := h.stage.make(ctx, seg); err != nil {
			return errors.Join(err, seg.Close())
		}
	}
	return h.enter(ctx, seg)
}

// enter makes seg what the hand looks at.
func (h *hand) enter(ctx context.Context, seg *shm.Segment) (err error) {
	h.seg = seg
	h.world, err = h.stage.open(ctx, place{seg: seg, opts: h.opts})
	return err
}

// reopen opens the segment, which the hand has left, again.
func (h *hand) reopen(ctx context.Context) error {
	seg, err := shm.Open(ctx, segmentName, h.opts)
	if err != nil {
		return err
	}
	return h.enter(ctx, seg)
}

// leave lets go of the segment.
func (h *hand) leave() error {
	if h.seg == nil {
		return nil
	}
	seg := h.seg
	h.seg, h.world = nil, nil
	return seg.Close()
}

// strike clears the stage.
func (h *hand) strike() error {
	for _, c := range h.peers {
		c.kill()
	}
	h.peers = nil
	return errors.Join(h.leave(), os.RemoveAll(h.dir))
}

// other is the process that is in the middle of an operation, or two that wait in it.
type other struct {
	op    *operation
	pause int // the step at which it stands; 0: it waits for what the victim does
	two   bool
}

func (o *other) number() int {
	if o.two {
		return 2
	}
	return 1
}

// take is one try: which operation, where the victim dies, who else is there.
type take struct {
	op    *operation
	kill  int // 0: nowhere
	other *other
}

func (t take) String() string {
	s := fmt.Sprintf("%s killed at step %d", t.op.name, t.kill)
	if t.kill == 0 {
		s = t.op.name + " not killed"
	}
	if t.other == nil {
		return s
	}
	switch {
	case t.other.two:
		return s + ", while two others wait in " + t.other.op.name
	case t.other.pause == 0:
		return s + ", while another waits in " + t.other.op.name
	}
	return fmt.Sprintf("%s, while another is at step %d of %s", s, t.other.pause, t.other.op.name)
}

// play is a take under way.
type play struct {
	*hand
	take
	victim   *process
	cast     []*process // the others
	paused   bool       // the first of them is
	lines    []string   // what each of them said at its end
	relieved bool
}

// once tries once, and verifies what is left. It reports whether the victim
// came to its end before it was to be killed, and in how many steps.
func (h *hand) once(ctx context.Context, t take) (steps int, ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if h.seg == nil || h.stage.fresh {
		if err := errors.Join(h.strike(), h.set(ctx)); err != nil {
			return 0, false, err
		}
	}
	p := &play{hand: h, take: t}
	r, err := p.run(ctx)
	if err != nil && !errors.Is(err, errDead) {
		return 0, false, fmt.Errorf("%s: %w", t, err)
	}
	ended = err == nil
	if err := p.verify(ctx, r, ended); err != nil {
		return 0, false, fmt.Errorf("%s: %w", t, err)
	}
	return r.Steps, ended, nil
}

// run has the victim die; errDead says that it did.
func (p *play) run(ctx context.Context) (r report, err error) {
	if err := p.begin(ctx); err != nil {
		return r, err
	}
	defer p.victim.kill()
	if err := p.enterPeers(); err != nil {
		return r, err
	}
	if err := p.victim.resume(); err != nil {
		return r, err
	}
	line, died := p.await(ctx)
	if died != nil && !errors.Is(died, errDead) {
		return r, died
	}
	if died == nil {
		if r, err = parse(line); err != nil {
			return r, err
		}
		if p.frees() { // while it lives: whoever is woken by its death is woken too late
			if err := p.hearPeers(); err != nil {
				return r, err
			}
		}
	}
	p.victim.kill()
	if err := p.endPeers(ctx); err != nil {
		return r, err
	}
	if err := p.awaitRepair(ctx, p.victim); err != nil {
		return r, err
	}
	return r, died
}

// awaitRepair waits until nothing is left of a process that has ended.
func (h *hand) awaitRepair(ctx context.Context, c *process) error {
	if err := object.Inside().AwaitRepair(ctx, c.pid()); err != nil {
		return fmt.Errorf("what process %d left is not repaired: %w; %s", c.pid(), err, h.scenery())
	}
	return nil
}

// begin brings the stage into its first state and gives the victim its order.
func (p *play) begin(ctx context.Context) (err error) {
	if err := p.world.begin(ctx, p.op.begin); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	if p.op.first != "" {
		if err := p.sacrifice(ctx, p.op.first); err != nil {
			return err
		}
	}
	if p.victim, err = p.nursery.take(); err != nil {
		return err
	}
	if err := p.victim.send(order{Stage: p.stage.name, Part: p.stage.part, Operation: p.op.name, Dir: p.dir, Kill: p.kill}); err != nil {
		p.victim.kill()
		return err
	}
	return nil
}

// sacrifice has a process do an operation, and die of nothing else.
func (h *hand) sacrifice(ctx context.Context, operation string) error {
	c, err := h.nursery.take()
	if err != nil {
		return err
	}
	defer c.kill()
	if err := c.send(order{Stage: h.stage.name, Part: h.stage.part, Operation: operation, Dir: h.dir}); err != nil {
		return err
	}
	if err := c.resume(); err != nil {
		return err
	}
	line, err := c.hear(patience)
	if err != nil {
		return err
	}
	if _, err := parse(line); err != nil {
		return fmt.Errorf("first, %s: %w", operation, err)
	}
	c.kill()
	return h.awaitRepair(ctx, c)
}

// enterPeers brings the others to where they stand or wait.
func (p *play) enterPeers() (err error) {
	if p.other == nil {
		return nil
	}
	if p.other.op.bare {
		for _, c := range p.peers {
			c.kill()
		}
		p.peers = nil
	}
	p.lines = make([]string, p.other.number())
	for i := range p.lines {
		if i == len(p.peers) {
			c, err := p.nursery.take()
			if err != nil {
				return err
			}
			p.peers = append(p.peers, c)
		}
		if err := p.enterPeer(i); err != nil {
			return err
		}
	}
	return nil
}

func (p *play) enterPeer(i int) error {
	c := p.peers[i]
	p.cast = append(p.cast, c)
	if err := c.send(order{Stage: p.stage.name, Part: p.stage.part, Operation: p.other.op.name, Dir: p.dir, Pause: p.other.pause}); err != nil {
		return err
	}
	if err := c.resume(); err != nil {
		return err
	}
	if p.other.pause == 0 {
		return p.untilWaiting(c)
	}
	line, err := c.hear(patience)
	if line == "paused" {
		p.paused = true
	} else {
		p.lines[i] = line // it came to its end before
	}
	return err
}

// frees reports whether nobody waits for ever once the victim has come to its end:
// then those that waited have to come to theirs by that alone.
func (p *play) frees() bool {
	if p.other == nil || p.other.pause != 0 {
		return false
	}
	s := p.scene(false)
	s.actors = slices.DeleteFunc(s.actors, func(a actor) bool { return a.name == "r" })
	return !s.endless()
}

// await waits for the end of the victim, and does what it waits for.
func (p *play) await(ctx context.Context) (string, error) {
	if p.frees() {
		return p.victim.hear(patience)
	}
	for tries := 0; p.paused || p.op.relief != nil && !p.relieved; tries++ {
		line, err := p.victim.hear(look)
		if !errors.Is(err, errSilent) {
			return line, err
		}
		if !p.waits(p.victim) && tries < longWait {
			continue
		}
		if err := p.help(ctx); err != nil {
			return "", err
		}
	}
	return p.victim.hear(patience)
}

const (
	look     = 300 * time.Microsecond
	longWait = 100 // looks, after which the victim waits for something that nothing shows
)

// help does the next of what the victim may be waiting for.
func (p *play) help(ctx context.Context) error {
	if p.paused {
		p.paused = false
		return p.cast[0].resume()
	}
	if p.op.relief == nil || p.relieved {
		return nil
	}
	p.relieved = true
	if err := p.op.relief.do(ctx, p.world, p.hand); err != nil {
		return fmt.Errorf("relief: %w", err)
	}
	return nil
}

// endPeers lets the others come to their end after the death of the victim, which is
// repaired while they still stand where they are, unless they are in the way.
func (p *play) endPeers(ctx context.Context) error {
	if p.paused {
		short, cancel := context.WithTimeout(ctx, longWait*look)
		_ = object.Inside().AwaitRepair(short, p.victim.pid()) // if it is in the way, later
		cancel()
	}
	if !p.heard() {
		if err := errors.Join(p.help(ctx), p.help(ctx)); err != nil { // both kinds
			return err
		}
	}
	return p.hearPeers()
}

// heard reports whether there were others, and all have come to their end.
func (p *play) heard() bool { return len(p.lines) > 0 && !slices.Contains(p.lines, "") }

// hearPeers waits for what each of the others says at its end.
func (p *play) hearPeers() error {
	for i := range p.lines {
		if p.lines[i] != "" {
			continue
		}
		line, err := p.cast[i].hear(patience)
		if err != nil {
			return fmt.Errorf("the peer in %s: %w; %s", p.other.op.name, err, p.scenery())
		}
		p.lines[i] = line
	}
	return nil
}

// untilWaiting returns when the process waits for something in the segment.
func (p *play) untilWaiting(c *process) error {
	for start := time.Now(); !p.waits(c); runtime.Gosched() {
		if time.Since(start) > patience {
			return errors.New("the other process does not wait")
		}
	}
	return nil
}

func (p *play) waits(c *process) bool {
	holds, err := p.seg.Holds()
	if err != nil {
		return false
	}
	for _, w := range holds {
		if w.Waiting && w.Participant.PID == c.pid() {
			return true
		}
	}
	return false
}

// verify compares the books, and does what survivors do.
func (p *play) verify(ctx context.Context, r report, ended bool) error {
	got := outcome{victim: r.Said}
	for i, line := range p.lines {
		said, err := parse(line)
		if err != nil {
			return fmt.Errorf("the peer: %w", err)
		}
		got.peers[i] = said.Said
	}
	return p.books(ctx, p.scene(!ended), got)
}

// scene is what may have happened.
func (p *play) scene(killed bool) scene {
	s := scene{from: p.op.start(), actors: []actor{{name: "v", moves: p.op.moves, dies: p.op.dies, killed: killed}}}
	if p.other != nil {
		for i := range p.other.number() {
			s.actors = append(s.actors, actor{name: peerNames[i], moves: p.other.op.moves})
		}
	}
	if p.op.relief != nil && (p.relieved || !p.heard()) {
		s.actors = append(s.actors, actor{name: "r", moves: p.op.relief.moves})
	}
	return s
}

// books verifies that the segment is in order, that what is left can have come
// of the scene, and that the survivor can go on.
func (h *hand) books(ctx context.Context, s scene, got outcome) (err error) {
	if err := h.seg.Check(); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	if got.state, err = h.world.state(ctx); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if err := s.verify(got); err != nil {
		return err
	}
	if err := h.world.work(ctx); err != nil {
		return fmt.Errorf("the survivor cannot go on: %w; %s", err, h.scenery())
	}
	if err := h.seg.Check(); err != nil {
		return fmt.Errorf("check afterwards: %w", err)
	}
	return h.idle()
}

// scenery describes the segment, for errors.
func (h *hand) scenery() string {
	objects, err1 := h.seg.Objects()
	ps, err4 := h.seg.Participants()
	holds, err2 := h.seg.Holds()
	deaths, err3 := h.seg.Stat()
	return fmt.Sprintf("objects %+v, holds %+v, participants %+v, %d deaths, %v",
		objects, holds, ps, deaths.Deaths, errors.Join(err1, err2, err3, err4, h.seg.Check()))
}

// idle verifies that nobody holds anything, and that nobody dead is listed.
func (h *hand) idle() error {
	holds, err := h.seg.Holds()
	if err != nil {
		return err
	}
	for _, x := range holds {
		return fmt.Errorf("%v still holds, or waits for, %d %s of %s", x.Participant, x.Count, x.Kind, x.Object)
	}
	processes, err := h.seg.Participants()
	if err != nil {
		return err
	}
	for _, x := range processes {
		if !x.Alive {
			return fmt.Errorf("%v is dead, and still there", x)
		}
	}
	return nil
}
