"""Takes X's complaint about a request's words, leaves the words of its other vocabulary for the next one."""

from dataclasses import dataclass

from conversations.networks.x import wire

# What we want to know of a person, in both vocabularies the same. X charges by the person, whatever is asked of them.
PERSON = "username,name,public_metrics"
# Whether somebody takes our direct messages is only told to the account that asks with its own token.
PERSON_TO_US = f"{PERSON},receives_your_dm"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How one of X's two vocabularies asks for the same things."""

    fields_parameter: str
    fields: str
    expansions: str

    def parameters(self, user_fields: str) -> dict[str, str]:
        return {self.fields_parameter: self.fields, "expansions": self.expansions, "user.fields": user_fields}

    def refused_by(self, problem: wire.Problem) -> bool:
        """X complains about the words themselves, so the other vocabulary is worth a try."""
        ours = {self.fields_parameter, "expansions"}
        return bool(ours & problem.parameters) or self.fields_parameter in problem.words


TWEET = Vocabulary(
    fields_parameter="tweet.fields",
    fields="author_id,conversation_id,created_at,entities,in_reply_to_user_id,lang,note_tweet,referenced_tweets",
    expansions="author_id",
)
# The newer vocabulary has no field for who wrote a post or what it answers: there they only come as
# expansions.
POST = Vocabulary(
    fields_parameter="post.fields",
    fields="conversation_id,created_at,entities,lang,note_post",
    expansions="author_id,in_reply_to_user_id,referenced_posts",
)


class Vocabularies:
    """Which vocabulary each endpoint was last found to speak; a wrong guess costs one call per process."""

    def __init__(self) -> None:
        self._known: dict[str, Vocabulary] = {}

    def of(self, endpoint: str) -> Vocabulary:
        return self._known.get(endpoint, TWEET)

    def switch(self, endpoint: str, problem: wire.Problem) -> bool:
        """True when the problem is the vocabulary, and the other one is in use from now on."""
        current = self.of(endpoint)
        if not current.refused_by(problem):
            return False
        self._known[endpoint] = POST if current is TWEET else TWEET
        return True
