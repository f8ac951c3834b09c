package engine

import (
	"github.com/fastdisc/discv5/codec"
	"github.com/fastdisc/discv5/enr"
)

// answer lets Config.Answer replace the records of a response, list[:n], and returns how many there
// are then. More than list has room for are left out.
func (w *Worker) answer(t codec.MessageType, from enr.ID, distances codec.Distances, list [][]byte, n int) int {
	if w.e.cfg.Answer == nil {
		return n
	}
	var asked []uint
	for d, ok := distances.Next(); ok; d, ok = distances.Next() {
		asked = append(asked, uint(d))
	}
	return copy(list, w.e.cfg.Answer(t, from, asked, list[:n:n]))
}
