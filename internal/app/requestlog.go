package app

import (
	"log/slog"
	"os"

	"shopping-cart/platform/config"
)

// logLevel is the least level that is logged.
func logLevel(settings config.Config) slog.Level {
	if settings.LogLevel != nil {
		return *settings.LogLevel
	}
	return slog.LevelInfo
}

// requestLevel is the level of the line of a request. A person at a terminal who asks for no level sees what the program has to
// say, and not every request; a file or a collector has them all.
func requestLevel(settings config.Config, terminal bool) slog.Level {
	if terminal && settings.LogLevel == nil {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
