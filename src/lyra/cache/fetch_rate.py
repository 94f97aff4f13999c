"""The rate limit on fetches for one token and one account; a forget does not reset it."""

from collections import OrderedDict
from collections.abc import Callable

from lyra.cache.keys import Key
from lyra.errors import TooManyRequestsError

_WINDOW_S = 60.0
_ROUNDING_S = 1e-9


class FetchRate:
    """`per_minute` fetches in any minute, evenly refilled (GCRA), of a token and of an account.

    A token's account is known only once it has been read: that fetch is charged to the account
    afterwards, and later ones are refused before they begin. A forget changes nothing here: there
    are only hashes, which go a minute after the latest fetch. There are at most `entries` of them;
    one that is evicted earlier starts afresh, which errs in the caller's favour.
    """

    def __init__(self, per_minute: int, *, entries: int, clock: Callable[[], float]) -> None:
        self._step_s = _WINDOW_S / per_minute
        self._entries = entries
        self._clock = clock
        self._paid_until: OrderedDict[Key, float] = OrderedDict()
        self._accounts: OrderedDict[Key, tuple[Key, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paid_until) + len(self._accounts)

    def spend(self, token: Key) -> None:
        """Count a fetch that is to begin for this token.

        Raises:
            TooManyRequestsError: it is one too many; says when the next one is due.
        """
        account, _ = self._accounts.get(token, (None, 0.0))
        payers = [token] if account is None else [token, account]
        wait_s = max(self._debt_s(payer) for payer in payers) + self._step_s - _WINDOW_S
        if wait_s > _ROUNDING_S:
            raise TooManyRequestsError(retry_after_s=wait_s, reason="fetches")
        for payer in payers:
            self._charge(payer)
        if account is not None:
            self._remember(token, account)

    def learn(self, token: Key, account: Key) -> None:
        """Remember the token's account, and charge the fetch that showed it to that account."""
        known, _ = self._accounts.get(token, (None, 0.0))
        if known != account:
            self._charge(account)
        self._remember(token, account)

    def _debt_s(self, payer: Key) -> float:
        return max(0.0, self._paid_until.get(payer, 0.0) - self._clock())

    def _charge(self, payer: Key) -> None:
        now = self._clock()
        self._paid_until[payer] = now + min(self._debt_s(payer) + self._step_s, _WINDOW_S)
        self._paid_until.move_to_end(payer)
        self._purge()

    def _remember(self, token: Key, account: Key) -> None:
        self._accounts[token] = account, self._clock() + _WINDOW_S
        self._accounts.move_to_end(token)
        self._purge()

    def _purge(self) -> None:
        """Drop what is over, oldest first: two for each one that may have been added."""
        now = self._clock()
        for _ in range(2):
            if self._paid_until:
                payer, until = next(iter(self._paid_until.items()))
                if until <= now or len(self._paid_until) > self._entries:
                    del self._paid_until[payer]
            if self._accounts:
                token, (_, until) = next(iter(self._accounts.items()))
                if until <= now or len(self._accounts) > self._entries:
                    del self._accounts[token]
