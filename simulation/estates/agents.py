"""User agents: what SDKs, command lines, browsers and tools call themselves, and how that changes with releases.

Formats: the SDKs' and tools' own source repositories (boto/botocore `useragent.py`, aws/aws-sdk-go-v2, aws-sdk-java-v2,
aws-sdk-js-v3, hashicorp/terraform-provider-aws). Pipelines, vendors and scanners mostly show just their SDK.
"""

from collections.abc import Callable

from simulation.estates.chance import Dice

AgentOf = Callable[[int], str]  # from a day to the agent of that day

# Assumption: dependency bots propose monthly, teams merge about half; AWS releases its SDKs on most working days.
_UPGRADES_A_MONTH = 0.45
_MONTH_DAYS = 30

_LAMBDA = {"python": "AWS_Lambda_python3.12", "node": "AWS_Lambda_nodejs20.x", "java": "AWS_Lambda_java21"}
_KERNELS = ("5.10.230", "5.10.236", "6.1.119", "6.1.134", "6.8.0", "5.15.0")
_WEIGHTS = {"python": 34, "java": 20, "node": 18, "go": 14, "net": 5, "php": 3, "old_python": 3, "ruby": 2, "rust": 1}

BROWSERS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/145.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:146.0) Gecko/20100101 Firefox/146.0",
)


def sdk(throws: Dice, days: int, language: str = "", runtime: str = "") -> AgentOf:
    """An SDK's agent as the days pass: the language and its first version are chance, upgrades come as they come."""
    spoken = language or throws.weighted(_WEIGHTS)
    kernel, minor, patch = throws.pick(_KERNELS), throws.below(12), throws.below(90)
    environment = f" exec-env/{_LAMBDA[spoken]}" if runtime == "lambda" and spoken in _LAMBDA else ""
    versions = [(0, _written(spoken, kernel, minor, patch, environment))]
    for day in upgrade_days(throws, days):
        minor, patch = minor + throws.between(0, 2), throws.below(90)
        versions.append((day, _written(spoken, kernel, minor, patch, environment)))
    return lambda today: [agent for day, agent in versions if day <= today][-1]


def upgrade_days(throws: Dice, days: int) -> list[int]:
    """The days on which a new version of the SDK is rolled out."""
    count = int(throws.rng.poisson(_UPGRADES_A_MONTH * days / _MONTH_DAYS))
    return sorted(throws.between(2, days) for _ in range(count)) if days > 1 else []


def command_line(throws: Dice, system: str = "") -> str:
    """The AWS CLI on somebody's machine, a runner or in a container."""
    where = system or throws.pick(("os/macos#24.3.0 md/arch#arm64", "os/linux#6.8.0 md/arch#x86_64"))
    version = f"2.{throws.between(15, 33)}.{throws.below(40)}"
    return f"aws-cli/{version} md/awscrt#0.2{throws.below(9)}.{throws.below(20)} ua/2.1 {where} lang/python#3.13.7"


def terraform(throws: Dice) -> str:
    """Terraform's AWS provider, which names itself."""
    return (
        f"APN/1.0 HashiCorp/1.0 Terraform/1.{throws.between(7, 13)}.{throws.below(8)} (+https://www.terraform.io) "
        f"terraform-provider-aws/{throws.between(5, 6)}.{throws.between(20, 90)}.0 aws-sdk-go-v2/1.{throws.between(30, 39)}.2"
    )


def pulumi(throws: Dice) -> str:
    """Pulumi's AWS provider, which names itself too."""
    return f"APN/1.0 Pulumi/1.0 PulumiAWS/7.{throws.below(15)}.0 aws-sdk-go-v2/1.{throws.between(30, 39)}.0 ua/2.1 os/linux"


def _written(language: str, kernel: str, minor: int, patch: int, environment: str) -> str:
    arch = ("x86_64", "aarch64")[patch % 2]
    match language:
        case "python":
            core = f"1.{36 + minor}.{patch}"
            return f"Boto3/{core} md/Botocore#{core} ua/2.1 os/linux#{kernel} md/arch#{arch} lang/python#3.12.8{environment}"
        case "old_python":
            return f"Boto3/1.{17 + minor}.{patch} Python/3.7.16 Linux/{kernel} Botocore/1.{20 + minor}.{patch}"
        case "java":
            return f"aws-sdk-java/2.{25 + minor}.{patch} ua/2.1 os/Linux#{kernel} lang/java#21.0.5 md/OpenJDK_64-Bit_Server_VM{environment}"
        case "node":
            return f"aws-sdk-js/3.{600 + 20 * minor}.0 ua/2.1 os/linux#{kernel} lang/js md/nodejs#20.18.{patch % 4}{environment}"
        case "go":
            return f"aws-sdk-go-v2/1.{28 + minor}.{patch % 10} ua/2.1 os/linux lang/go#1.2{2 + minor % 3} md/GOOS#linux md/GOARCH#{arch}"
        case "net":
            return f"aws-sdk-dotnet-coreclr/3.7.{300 + 10 * minor} ua/2.1 os/linux#{kernel} lang/.NET_Core#8.0.{patch % 12}"
        case "php":
            return f"aws-sdk-php/3.{280 + 4 * minor}.{patch} ua/2.0 OS/Linux/{kernel} lang/php/8.2.{patch % 20}"
        case "ruby":
            return f"aws-sdk-ruby3/3.{190 + minor}.0 ua/2.1 os/linux#{kernel} lang/ruby#3.3.{patch % 6}"
        case _:
            return f"aws-sdk-rust/1.{3 + minor % 6}.{patch % 10} ua/2.1 os/linux lang/rust#1.8{minor % 8}.0"
