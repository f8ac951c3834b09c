package filter

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// lookup leaves the entry of a map in R0, or 0.
func (b *builder) lookup(m *ebpf.Map, key int32) {
	b.emit(
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.FnMapLookupElem.Call(),
	)
}

// update stores the value at atValue.
func (b *builder) update(m *ebpf.Map, key int32) {
	b.emit(
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, key),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, atValue),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
	)
}

// end counts the packet under cause and goes to verdict.
func (b *builder) end(cause int, verdict string) {
	b.emit(asm.StoreImm(asm.RFP, atIndex, int64(cause), asm.Word))
	b.lookup(b.maps.counts, atIndex)
	b.emit(
		asm.JEq.Imm(asm.R0, 0, label(verdict)),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.LoadMem(asm.R2, asm.RFP, atSegs, asm.DWord),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Ja.Label(label(verdict)),
	)
}

// judge decides about a packet whose keys are on the stack.
func (b *builder) judge() {
	b.checkSource()
	b.lookup(b.maps.held, atSource)
	b.emit(asm.JNE.Imm(asm.R0, 0, label("held")), asm.FnKtimeGetNs.Call(), asm.Mov.Reg(regNow, asm.R0))

	b.lookup(b.maps.handshakes, atSource)
	b.emit(
		asm.JEq.Imm(asm.R0, 0, label("unknown")),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), // end
		asm.JGE.Reg(regNow, asm.R1, label("unknown")),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord), // datagrams left
		asm.LoadMem(asm.R2, asm.RFP, atSegs, asm.DWord),
		asm.JSLT.Reg(asm.R1, asm.R2, label("unknown")),
		asm.Neg.Imm(asm.R2, 0),
		asm.AddAtomic.Mem(asm.R0, asm.R2, asm.DWord, 8),
	)
	b.end(passedHandshake, "pass")

	b.place("unknown")
	b.lookup(b.maps.prefixes, atPrefix)
	b.emit(
		asm.JEq.Imm(asm.R0, 0, label("new")),
		asm.Mov.Reg(regHeader, asm.R0),
		asm.LoadMem(asm.R0, regHeader, 0, asm.DWord),
	)
	b.charge(b.network, "prefix")
	b.emit(asm.StoreMem(asm.RFP, atValue, asm.R2, asm.DWord))
	b.chargeTotal()
	b.emit(
		asm.LoadMem(asm.R2, asm.RFP, atValue, asm.DWord),
		asm.StoreMem(regHeader, 0, asm.R2, asm.DWord),
		asm.Ja.Label(label("admit")),
	)
	b.place("new")
	b.emit(asm.Mov.Imm(asm.R0, 0))
	b.charge(b.network, "prefix")
	b.emit(asm.StoreMem(asm.RFP, atValue, asm.R2, asm.DWord))
	b.chargeTotal()
	b.update(b.maps.prefixes, atPrefix)

	b.place("admit")
	b.emit(
		asm.LoadImm(asm.R1, int64(HandshakeTime), asm.DWord),
		asm.Add.Reg(asm.R1, regNow),
		asm.StoreMem(asm.RFP, atValue, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R1, HandshakePackets), asm.StoreMem(asm.RFP, atValue+8, asm.R1, asm.DWord),
	)
	b.update(b.maps.handshakes, atSource)
	b.end(passedNew, "pass")

	b.place("held")
	b.end(passedHeld, "pass")
	for _, v := range []struct {
		name  string
		cause int
	}{{"prefix", droppedPrefix}, {"total", droppedTotal}, {"size", droppedSize}, {"source", droppedSource}} {
		b.place(v.name)
		b.end(v.cause, "drop")
	}
}

// checkSource drops what no answer could reach: port 0, unspecified and multicast addresses, and
// IPv4-mapped ones in an IPv6 header, which would count as IPv4.
func (b *builder) checkSource() {
	six, ok := b.fresh(), b.fresh()
	b.emit(
		asm.LoadMem(asm.R1, asm.RFP, atSource+16, asm.Half),
		asm.JEq.Imm(asm.R1, 0, label("source")),
		asm.LoadMem(asm.R1, asm.RFP, atSource, asm.Byte),
		asm.JEq.Imm(asm.R1, 0xff, label("source")),
		asm.LoadMem(asm.R1, asm.RFP, atPrefix, asm.Word),
		asm.JNE.Imm32(asm.R1, -1, label(six)),
		asm.LoadMem(asm.R1, asm.RFP, atSource+12, asm.Byte),
		asm.JEq.Imm(asm.R1, 0, label("source")),
		asm.JLT.Imm(asm.R1, 224, label(ok)),
		asm.Ja.Label(label("source")),
	)
	b.place(six)
	b.emit(
		asm.LoadMem(asm.R1, asm.RFP, atSource, asm.DWord),
		asm.JNE.Imm(asm.R1, 0, label(ok)),
		asm.LoadMem(asm.R1, asm.RFP, atSource+8, asm.Word),
		asm.JEq.Imm32(asm.R1, wire32(0xffff), label("source")),
		asm.LoadMem(asm.R1, asm.RFP, atSource+8, asm.DWord),
		asm.JEq.Imm(asm.R1, 0, label("source")),
	)
	b.place(ok)
}

// charge computes in R2 what becomes of the bucket whose state is in R0, or goes to empty. It
// leaves R0 as it is.
func (b *builder) charge(k bucket, empty string) {
	later := b.fresh()
	b.emit(
		asm.Mov.Reg(asm.R2, asm.R0),
		asm.JGE.Reg(asm.R2, regNow, label(later)),
		asm.Mov.Reg(asm.R2, regNow),
	)
	b.place(later)
	b.emit(
		asm.LoadMem(asm.R3, asm.RFP, atSegs, asm.DWord),
		asm.LoadImm(asm.R4, k.interval, asm.DWord),
		asm.Mul.Reg(asm.R3, asm.R4),
		asm.Add.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R4, asm.R2),
		asm.Sub.Reg(asm.R4, regNow),
		asm.LoadImm(asm.R5, k.depth, asm.DWord),
		asm.JGT.Reg(asm.R4, asm.R5, label(empty)),
	)
}

// chargeTotal charges the bucket of all unknown sources, which other CPUs charge too.
func (b *builder) chargeTotal() {
	done := b.fresh()
	b.emit(asm.LoadMapValue(regBucket, b.maps.total.FD(), 0))
	for range maxAttempts {
		b.emit(asm.LoadMem(asm.R0, regBucket, 0, asm.DWord))
		b.charge(b.total, "total")
		b.emit(
			asm.Mov.Reg(asm.R1, asm.R0),
			cmpXchg(regBucket, asm.R2),
			asm.JEq.Reg(asm.R0, asm.R1, label(done)),
		)
	}
	b.emit(asm.Ja.Label(label("total")))
	b.place(done)
}

// cmpXchg stores src at dst if R0 is there, and puts what was there into R0. The library, as of
// v0.22.0, leaves the operation out of the encoded instruction unless it is the constant too; the
// instruction would then add.
func cmpXchg(dst, src asm.Register) asm.Instruction {
	i := asm.CmpXchg.Mem(dst, src, asm.DWord, 0)
	i.Constant = int64(asm.CmpXchg >> 8)
	return i
}
