package ring

import "context"

// Put puts a copy of b. It waits for room. Errors are those of Claim, and ErrTooLarge.
func (p *Port) Put(ctx context.Context, b []byte) error {
	if len(b) > int(p.inline) {
		return p.putBlock(ctx, b)
	}
	c, err := p.Claim(ctx)
	if err == nil {
		p.copyIn(p.Inline(c), b)
		p.Publish(c, len(b))
	}
	return err
}

// TryPut is Put without waiting: ErrFull.
func (p *Port) TryPut(b []byte) error {
	if len(b) > int(p.inline) {
		return p.tryPutBlock(b)
	}
	c, err := p.TryClaim()
	if err == nil {
		p.copyIn(p.Inline(c), b)
		p.Publish(c, len(b))
	}
	return err
}

// putBlock puts a message that does not fit into a slot. It is copied before a
// slot is claimed, because others wait for who has claimed one; and it does not
// wait for a slot while it holds a block, because who holds a loan may wait for
// room in the heap.
func (p *Port) putBlock(ctx context.Context, b []byte) error {
	if err := p.fits(len(b)); err != nil {
		return err
	}
	for {
		if err := p.interrupted(ctx); err != nil {
			return err
		}
		if err := p.mayPut(); err != nil {
			return err
		}
		if err := p.awaitPlace(ctx); err != nil {
			return err
		}
		block, err := p.waitBlock(ctx, int64(len(b)), p.stopped)
		if err != nil {
			return err
		}
		p.fillBlock(block, b)
		c, err := p.tryClaim()
		if err = p.finishBlock(block, len(b), c, err); !vain(err) {
			return err
		}
	}
}

// awaitPlace waits until there may be a place in the ring.
func (p *Port) awaitPlace(ctx context.Context) error {
	look := func() error {
		if err := p.stopped(); err != nil {
			return err
		}
		return p.hasPlace()
	}
	err := look()
	if err == ErrFull {
		err = p.await(ctx, &p.notFull, look)
		p.head.notFull.signal(1) // it took nothing: the wake-up may be somebody else's
	}
	return err
}

// hasPlace fails with ErrFull if there is surely no place in the ring.
func (p *Port) hasPlace() error {
	w, err := p.start(p.writeHint.Load(), p.head.writePos.Load())
	if err == nil && !p.hasRoom(w, p.countLent()+1) {
		err = ErrFull
	}
	return err
}

func (p *Port) tryPutBlock(b []byte) error {
	if err := p.fits(len(b)); err != nil {
		return err
	}
	if err := p.mayPut(); err != nil {
		return err
	}
	if err := p.hasPlace(); err != nil {
		return err // without copying all of b in vain
	}
	block, err := p.takeBlock(int64(len(b)))
	if err != nil {
		return err
	}
	p.fillBlock(block, b)
	c, err := p.tryClaim()
	if err == errAgain {
		err = ErrFull
	}
	return p.finishBlock(block, len(b), c, err)
}

// fits refuses what can never be put.
func (p *Port) fits(length int) error {
	if int64(length) > p.spec.MaxSize {
		return ErrTooLarge
	}
	return p.stopped()
}

func (p *Port) fillBlock(block uint32, b []byte) {
	dst, err := p.region.Bytes(p.blockAt(block), int64(len(b)))
	if err == nil { // takeBlock has checked that it fits
		p.copyIn(dst, b)
	}
}

// finishBlock publishes a block in the slot that was claimed, if one was.
func (p *Port) finishBlock(block uint32, length int, c Claim, err error) error {
	if err != nil {
		p.freeBlock(block)
		return err
	}
	p.fill(c.Index, content{length: length, block: block + 1})
	p.publish(c)
	return nil
}
