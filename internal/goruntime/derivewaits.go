package goruntime

// waits finds what a goroutine waits for: g.waiting, its place in a queue (sudog), a channel (hchan).
func (d *deriver) waits() {
	d.sudog()
	d.channel()
	// selparkcommit goes along the list that begins in the g.
	uses := d.accesses("runtime.selparkcommit")
	for i, a := range uses {
		if a.use != load || a.size != 8 || a.base == d.gReg() || a.disp <= 128 || a.disp >= maxField || i+1 == len(uses) {
			continue
		}
		if next := uses[i+1]; next.base == a.reg && (next.disp == d.f.Sudog.WaitLink || next.disp == d.f.Sudog.C) {
			d.set(&d.f.G.Waiting, a.disp)
			return
		}
	}
}

// sudog: releaseSudog holds six fields against zero, in this order (runtime/proc.go). That g is the first one
// is proved by each use: it is the goroutine that waits.
func (d *deriver) sudog() {
	s := &d.f.Sudog
	var at []access
	for _, a := range d.accesses("runtime.releaseSudog") {
		if a.use != store && a.base != d.gReg() && len(at) < 6 {
			at = append(at, a)
		}
	}
	if len(at) < 6 || at[1].size != 1 || at[3].disp != at[2].disp+8 {
		return
	}
	for i, a := range at {
		if a.base != at[0].base || a.size != 8 && i != 1 || a.disp <= 0 || a.disp >= 256 {
			return
		}
	}
	d.set(&s.G, 0)
	d.set(&s.Elem, at[0].disp)
	d.set(&s.WaitLink, at[4].disp)
	d.set(&s.C, at[5].disp)
}

// channel: makechan stores the size of an element, the only half word, then its type and the capacity, which
// stands behind the count (runtime/chan.go). The queues are behind the type and two indexes.
func (d *deriver) channel() {
	h := &d.f.Hchan
	var size access
	for _, a := range d.accesses("runtime.makechan") {
		switch {
		case a.use != store || a.disp < 8 || a.disp >= 256:
		case a.size == 2:
			size = a
			d.set(&h.ElemSize, a.disp)
		case size.size == 0 || a.size != 8 || a.base != size.base:
		case a.disp > size.disp && !d.found[&h.ElemType]:
			d.set(&h.ElemType, a.disp)
		case a.disp < size.disp && !d.found[&h.DataQSiz]:
			d.set(&h.DataQSiz, a.disp)
			d.set(&h.QCount, a.disp-8)
		}
	}
	d.closed()
	d.timer()
}

// closed: closechan sets it, the only word of four bytes, and empties both queues.
func (d *deriver) closed() {
	h := &d.f.Hchan
	loads := map[int32]bool{}
	for _, a := range d.accesses("runtime.closechan") {
		switch {
		case a.use == load && a.size == 8:
			loads[a.disp] = true
		case a.use == store && a.size == 4 && !d.found[&h.Closed] && a.disp > 0 && a.disp < 256:
			d.set(&h.Closed, a.disp)
		}
	}
	recv, send := h.ElemType+24, h.ElemType+40
	if d.found[&h.ElemType] && loads[recv] && loads[send] {
		d.set(&h.RecvQ, recv)
		d.set(&h.SendQ, send)
	}
}

// timer: blockTimerChan begins with it. There is none before Go 1.23.
func (d *deriver) timer() {
	const name = "runtime.blockTimerChan"
	if _, _, ok := d.fn(name); !ok {
		d.set(&d.f.Hchan.Timer, None)
		d.set(&d.f.Timer.When, None)
		d.set(&d.f.Timer.Period, None)
		return
	}
	d.due()
	for _, a := range d.accesses(name) {
		if a.use == load && a.size == 8 && a.base != d.gReg() && a.disp >= 16 && a.disp < 256 {
			d.set(&d.f.Hchan.Timer, a.disp)
			return
		}
	}
}

const armSP = 31 // its number in instructions; on amd64 accesses leaves the stack out

// due: unlockAndRun reads when and period, which stand together, and then stores the first of them.
func (d *deriver) due() {
	loads := map[int32]bool{}
	for _, a := range d.accesses("runtime.(*timer).unlockAndRun") {
		switch {
		case a.size != 8 || a.base == d.gReg() || a.base == armSP:
		case a.use == load:
			loads[a.disp] = true
		case a.use == store && loads[a.disp] && loads[a.disp+8]:
			d.set(&d.f.Timer.When, a.disp)
			d.set(&d.f.Timer.Period, a.disp+8)
			return
		}
	}
}

// deriver finds fields and remembers which.
type deriver struct {
	*code
	f     *Fields
	found map[*int32]bool
}

// set takes a field's offset for found.
func (d *deriver) set(field *int32, offset int32) {
	*field = offset
	d.found[field] = true
}

// maxField bounds the distance of a field from the start of its struct.
const maxField = 4096
